"""Rows about where the voxels lie."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .patient import sound
from .row import Row

NAMES = ("qsm", "nm", "qsm_mask", "nm_mask")


def turned(degrees: float) -> tuple[float, ...]:
    """The challenge's direction, rotated about the patient's left-right axis."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([1.0, -1.0, 1.0])
    return tuple(rotation.ravel().tolist())


def _oblique(degrees: float):
    return lambda folder: sound().but(direction=turned(degrees)).write(folder)


def shear_header(path: Path, amount: float) -> None:
    """Tilts the first axis of a NIfTI file's sform and takes its qform away."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    affine = np.frombuffer(bytes(data[280:328]), "<f4").reshape(3, 4).copy()
    affine[1, 0] += amount * np.linalg.norm(affine[:, 0])
    data[280:328] = affine.tobytes()
    data[252:254] = b"\0\0"
    path.write_bytes(gzip.compress(bytes(data), 1))


def _sheared(amount: float):
    def build(folder: Path) -> dict[str, Path]:
        paths = sound().write(folder)
        shear_header(paths["qsm"], amount)
        return paths

    return build


def sheared_nrrd(folder: Path) -> dict[str, Path]:
    patient = sound()
    paths = patient.write(folder)
    image = patient.image("qsm")
    image.SetDirection((1.0, 0.1, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    paths["qsm"] = folder / "QSM.nrrd"
    sitk.WriteImage(image, str(paths["qsm"]))
    return paths


def resampled(image: sitk.Image, by: float, interpolator: int) -> sitk.Image:
    """The same field of view with in-plane voxels larger by ``by``."""
    i, j, k = image.GetSize()
    x, y, z = image.GetSpacing()
    size = [int(i / by), int(j / by), k]
    return sitk.Resample(
        image,
        size,
        sitk.Transform(),
        interpolator,
        image.GetOrigin(),
        (x * by, y * by, z),
        image.GetDirection(),
        0,
        image.GetPixelID(),
    )


def nm_on_other_grid(folder: Path) -> dict[str, Path]:
    patient = sound()
    return patient.write(folder, nm=resampled(patient.image("nm"), 1.05, sitk.sitkLinear))


def mask_on_other_grid(folder: Path) -> dict[str, Path]:
    patient = sound()
    mask = resampled(patient.image("qsm_mask"), 1.05, sitk.sitkNearestNeighbor)
    return patient.write(folder, qsm_mask=mask)


def _shifted(name: str, by: float):
    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        image = patient.image(name)
        image.SetOrigin((by, 0.0, 0.0))
        return patient.write(folder, **{name: image})

    return build


def slab(folder: Path) -> dict[str, Path]:
    """A slab that begins within the substantia nigra and leaves the dentate nuclei out."""
    patient = sound()
    return patient.but(**{name: getattr(patient, name)[13:] for name in NAMES}).write(folder)


# Slices run from right to left, their rows from superior to inferior: a sagittal acquisition.
SAGITTAL = ([1, 2, 0], (False, True, False))
CORONAL = ([0, 2, 1], (True, False, False))


def _permuted(**how: tuple[list[int], tuple[bool, bool, bool]]):
    """The sound patient with some files' axes in another order; the voxels lie where they lay."""

    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        images = {
            name: sitk.Flip(sitk.PermuteAxes(patient.image(name), order), flips)
            for name, (order, flips) in how.items()
        }
        return patient.write(folder, **images)

    return build


def _spaced(spacing: tuple[float, float, float]):
    return lambda folder: sound().but(spacing=spacing).write(folder)


def huge(folder: Path) -> dict[str, Path]:
    """Voxels of 0.3 mm: thirty million of them in this small field of view."""
    patient, paths = sound(), {}
    for name in NAMES:
        image = patient.image(name)
        sizes = zip(image.GetSize(), image.GetSpacing(), strict=True)
        grid = sitk.Image([int(n * mm / 0.3) for n, mm in sizes], sitk.sitkUInt8)
        grid.SetSpacing((0.3, 0.3, 0.3))
        grid.SetOrigin(image.GetOrigin())
        grid.SetDirection(image.GetDirection())
        how = sitk.sitkNearestNeighbor if name.endswith("mask") else sitk.sitkLinear
        fine = sitk.Resample(image, grid, sitk.Transform(), how, 0.0, image.GetPixelID())
        paths[name] = folder / f"{name}.mha"
        sitk.WriteImage(fine, str(paths[name]))
    return paths


ROWS = (
    Row("sagittal", _permuted(**dict.fromkeys(NAMES, SAGITTAL)), "used", (), ()),
    Row("mixed_axes", _permuted(nm=SAGITTAL, qsm_mask=CORONAL), "used", (), ()),
    Row("oblique_15", _oblique(15), "warning", ("oblique by 15 degrees", "resampled")),
    Row("oblique_38", _oblique(38), "error", ("rotated by 38 degrees", "axial")),
    Row("small_shear", _sheared(6e-4), "warning", ("shear", "repaired")),
    Row("large_shear", _sheared(0.05), "error", ("right angles", "shear")),
    Row("sheared_nrrd", sheared_nrrd, "error", ("right angles", "shear")),
    Row("nm_grid", nm_on_other_grid, "warning", ("resampled on the grid",), ("qsm", "nm")),
    Row(
        "mask_grid",
        mask_on_other_grid,
        "warning",
        ("resampled (nearest label)",),
        ("qsm", "qsm_mask"),
    ),
    Row("nm_elsewhere", _shifted("nm", 60), "error", ("overlaps", "80 %"), ("qsm", "nm")),
    Row(
        "mask_elsewhere", _shifted("nm_mask", 60), "error", ("overlaps", "80 %"), ("qsm", "nm_mask")
    ),
    Row("slab", slab, "warning", ("QSM3 is absent", "touches the volume's edge"), ()),
    Row(
        "thick_slices", _spaced((1.4, 1.4, 3.5)), "warning", ("out of distribution", "3.5 mm thick")
    ),
    Row("huge", huge, "used", (), ()),
    Row("wide_pixels", _spaced((1.8, 1.8, 2.5)), "warning", ("out of distribution", "1.8 mm wide")),
)
