"""A folder of DICOM slices as one volume, or the reason why it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.errors import InputError

POSITION, ORIENTATION = "0020|0032", "0020|0037"
IMAGE_TYPE, DESCRIPTION = "0008|0008", "0008|103e"
# Slice distances may differ by this share of the usual one (rounding of the header's decimals).
SPACING_TOLERANCE = 0.02


class NoSeries(InputError):
    """A folder without a DICOM image series."""


def _tag(reader: sitk.ImageFileReader, key: str) -> str:
    return reader.GetMetaData(key).strip() if reader.HasMetaDataKey(key) else ""


def _header(file: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.LoadPrivateTagsOff()
    reader.ReadImageInformation()
    return reader


def _numbers(text: str) -> list[float]:
    """The decimals of a tag; none where it is empty or holds anything else."""
    try:
        return [float(part) for part in text.split("\\")]
    except ValueError:
        return []


def read_folder(folder: Path) -> sitk.Image:
    """The one image series in ``folder``.

    Raises:
        InputError: No series or several, slices missing or unevenly spaced, a phase image, colour.
    """
    series = list(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))
    if not series:
        raise NoSeries(
            "the folder holds no DICOM image series",
            file=folder,
            expected="a folder with the DICOM files of one series, or a NIfTI, NRRD or MHA file",
            remedy="choose the file itself, or the folder that holds the slices",
        )
    files = {
        uid: list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)) for uid in series
    }
    if len(series) > 1:
        raise _several(folder, files)
    names = files[series[0]]
    headers = [_header(name) for name in names]
    _check_kind(folder, headers[0])
    if len(names) == 1:
        return sitk.ReadImage(names[0])
    _check_spacing(folder, headers)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    return reader.Execute()


def _several(folder: Path, files: dict[str, list[str]]) -> InputError:
    listed = []
    for names in files.values():
        description = _tag(_header(names[0]), DESCRIPTION) or "no description"
        listed.append(f"{description} ({len(names)} images)")
    shown = "; ".join(listed[:8]) + ("; ..." if len(listed) > 8 else "")
    return InputError(
        f"the folder holds {len(files)} DICOM series: {shown}",
        file=folder,
        expected="one series",
        remedy="put the files of the wanted series in a folder of their own",
    )


def _check_kind(folder: Path, header: sitk.ImageFileReader) -> None:
    kinds = _tag(header, IMAGE_TYPE).upper().split("\\")
    if any(kind in ("P", "PHASE", "PHASE MAP") for kind in (part.strip() for part in kinds)):
        raise InputError(
            f"the series is a phase image (image type {'/'.join(kinds)})",
            file=folder,
            expected="a reconstructed susceptibility map, or a magnitude image for NM and T1",
            remedy="choose the reconstructed QSM series, not the phase it was made from",
        )


def _check_spacing(folder: Path, headers: list[sitk.ImageFileReader]) -> None:
    positions = [_numbers(_tag(header, POSITION)) for header in headers]
    orientations = [_numbers(_tag(header, ORIENTATION)) for header in headers]
    if any(len(p) != 3 for p in positions) or any(len(o) != 6 for o in orientations):
        raise InputError(
            "slices have no readable position or orientation in their headers",
            file=folder,
            expected="Image Position (Patient) and Image Orientation (Patient) in every slice",
            remedy="export the series again with its geometry",
        )
    if np.ptp(orientations, axis=0).max() > 1e-3:
        raise InputError(
            "the slices of the series do not lie in parallel planes",
            file=folder,
            expected="one stack of parallel slices",
            remedy="remove localisers and other orientations from the folder",
        )
    normal = np.cross(orientations[0][:3], orientations[0][3:])
    along = np.sort(np.array(positions) @ normal)
    steps = np.diff(along)
    usual = float(np.median(steps))
    if usual <= 0 or steps.min() < 0.01 * usual:
        raise InputError(
            "several slices lie at the same position (echoes, time points or channels)",
            file=folder,
            expected="one volume: one slice at each position",
            remedy="keep the slices of one echo or time point",
        )
    odd = np.flatnonzero(np.abs(steps - usual) > SPACING_TOLERANCE * usual)
    if odd.size:
        at = int(odd[0])
        missing = int(sum(max(round(float(steps[n]) / usual) - 1, 0) for n in odd))
        what = f"{missing} slice(s) are missing" if missing else "the slices are unevenly spaced"
        raise InputError(
            f"{what}: {steps[at]:.2f} mm between slices {at + 1} and {at + 2}, "
            f"{usual:.2f} mm elsewhere",
            file=folder,
            expected="evenly spaced slices without gaps",
            remedy="export the series again and check that all its slices are there",
        )
