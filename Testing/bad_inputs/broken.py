"""Rows about files and folders that are not one sound 3-D image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .patient import sound
from .row import Row

UID = "1.2.826.0.1.3680043.2.1125.1"


def write_series(
    image: sitk.Image,
    folder: Path,
    number: int = 1,
    positions: np.ndarray | None = None,
    leave_out: tuple[int, ...] = (),
    kind: str = "DERIVED\\PRIMARY\\QSM",
) -> None:
    """A DICOM series of 16-bit slices, as a scanner's export would look."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = sitk.Cast(sitk.Round(image), sitk.sitkInt16)
    x, y, z = image.GetSpacing()
    direction = np.reshape(image.GetDirection(), (3, 3))
    orientation = "\\".join(f"{value:g}" for value in direction[:, :2].T.ravel())
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(image.GetSize()[2]):
        if k in leave_out:
            continue
        at = np.array(image.GetOrigin()) + direction[:, 2] * (
            z * k if positions is None else positions[k]
        )
        slice_image = stored[:, :, k]
        tags = {
            "0008|0008": kind,
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"{UID}.{number}.{k + 1}",
            "0008|0060": "MR",
            "0008|103e": f"Series {number}",
            "0018|0050": f"{z:g}",
            "0020|000d": UID,
            "0020|000e": f"{UID}.{number}",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{value:g}" for value in at),
            "0020|0037": orientation,
            "0020|0052": f"{UID}.9",
        }
        for tag, value in tags.items():
            slice_image.SetMetaData(tag, value)
        slice_image.SetSpacing((x, y))
        writer.SetFileName(str(folder / f"{number}_{k:03d}.dcm"))
        writer.Execute(slice_image)


def _dicom(**how):
    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        paths = patient.write(folder)
        paths["qsm"] = folder / "qsm_dicom"
        image = patient.image("qsm")
        write_series(image, paths["qsm"], **how)
        if how.get("number") == 2:
            write_series(image, paths["qsm"], number=1)
        return paths

    return build


def garbled_position(folder: Path) -> dict[str, Path]:
    """A series one of whose slices has letters where its position should be."""
    paths = _dicom()(folder)
    file = paths["qsm"] / "1_007.dcm"
    where = sitk.ReadImage(str(file)).GetMetaData("0020|0032").strip().encode()
    assert file.read_bytes().count(where) == 1
    file.write_bytes(file.read_bytes().replace(where, b"x" * len(where)))
    return paths


def _uneven() -> np.ndarray:
    return 2.5 * np.arange(32) + np.where(np.arange(32) > 10, 0.4, 0.0)


def _instead(name: str, make):
    """The sound patient with the QSM file replaced by what ``make(path, paths)`` writes."""

    def build(folder: Path) -> dict[str, Path]:
        paths = sound().write(folder)
        target = folder / name
        make(target, paths)
        return paths | {"qsm": target}

    return build


def _half(target: Path, paths: dict[str, Path]) -> None:
    image = sitk.ReadImage(str(paths["qsm"]))
    sitk.WriteImage(image, str(target))
    data = target.read_bytes()
    target.write_bytes(data[: len(data) // 2])


def _image(make):
    def write(target: Path, paths: dict[str, Path]) -> None:
        sitk.WriteImage(make(sound()), str(target))

    return write


def _four_d(patient) -> sitk.Image:
    return sitk.JoinSeries([patient.image("qsm")] * 3)


def _trailing(*names: str, ending: str):
    """The sound patient with some files saved as a 4-D image of one volume."""

    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        paths = patient.write(folder)
        for name in names:
            paths[name] = folder / f"{name}_4d{ending}"
            sitk.WriteImage(sitk.JoinSeries([patient.image(name)]), str(paths[name]))
        return paths

    return build


def _colour(patient) -> sitk.Image:
    grey = sitk.Cast(patient.image("qsm_mask"), sitk.sitkUInt8)
    return sitk.Compose(grey, grey, grey)


def _complex(patient) -> sitk.Image:
    return sitk.RealAndImaginaryToComplex(patient.image("qsm"), patient.image("nm"))


def _error(name, build, *expected):
    return Row(name, build, "error", expected)


ROWS = (
    _error("four_d", _instead("4d.nii.gz", _image(_four_d)), "4-D: 3 volumes", "one 3-D volume"),
    Row("trailing_nifti", _trailing("qsm", "nm", ending=".nii.gz"), "used", (), ()),
    Row("trailing_mha", _trailing("qsm", "nm_mask", ending=".mha"), "used", (), ()),
    _error("colour", _instead("rgb.nii.gz", _image(_colour)), "3 numbers", "colour"),
    _error("complex", _instead("complex.nii.gz", _image(_complex)), "complex numbers"),
    _error("flat", _instead("2d.mha", _image(lambda p: p.image("qsm")[:, :, 12])), "too small"),
    _error(
        "one_slice",
        _instead("slice.nii.gz", _image(lambda p: p.image("qsm")[:, :, 12:13])),
        "too small",
        "x 1 voxels",
    ),
    _error("several_series", _dicom(number=2), "2 DICOM series", "Series 1 (32 images)"),
    _error("missing_slices", _dicom(leave_out=(7, 8)), "2 slice(s) are missing", "7.50 mm"),
    _error("uneven_slices", _dicom(positions=_uneven()), "unevenly spaced", "2.90 mm"),
    _error("garbled_position", garbled_position, "no readable position"),
    _error("phase_series", _dicom(kind="ORIGINAL\\PRIMARY\\P\\ND"), "phase image"),
    _error("empty_folder", _instead("folder", lambda t, p: t.mkdir()), "no DICOM image series"),
    _error("missing", _instead("gone.nii.gz", lambda t, p: None), "no such file"),
    _error("empty_file", _instead("empty.nii.gz", lambda t, p: t.write_bytes(b"")), "is empty"),
    _error("text", _instead("notes.nii", lambda t, p: t.write_text("hello " * 99)), "as an image"),
    _error("not_gzip", _instead("t.nii.gz", lambda t, p: t.write_text("hello")), "not a gzip file"),
    _error("half_gzip", _instead("half.nii.gz", _half), "damaged", "end too early"),
    _error("half_nifti", _instead("half.nii", _half), "damaged", "bytes"),
    _error("half_nrrd", _instead("half.nrrd", _half), "cannot be read as an image"),
    _error("half_mha", _instead("half.mha", _half), "cannot be read as an image"),
)
