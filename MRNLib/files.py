"""One 3-D scalar image from whatever a path names, and images written so that nothing is lost."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib import dicom, nifti
from MRNLib.casefiles import FORMATS
from MRNLib.errors import InputError
from MRNLib.geometry import orthonormal
from MRNLib.writing import replaced

READABLE = "a NIfTI, NRRD or MHA file, or a folder with one DICOM series"
# The smallest nuclei span two or three slices; a volume thinner than this holds none of them whole.
MINIMUM_SIZE = 4
COMPLEX = (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)


@dataclass(frozen=True)
class RawImage:
    """A 3-D scalar image as the file has it.

    Attributes:
        image: The voxels, stored type kept, axes at right angles.
        pixel_type: Name of the stored type.
        warnings: What was repaired or is unusual.
    """

    image: sitk.Image
    pixel_type: str
    warnings: tuple[str, ...]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what ITK and MetaIO print off the screen: what matters is said by this module.

    MetaIO writes to the process's standard error itself, so the descriptor is turned away.
    """
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files in the order of their names."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(item for item in path.iterdir() if item.is_file())
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def read_raw(path: Path) -> RawImage:
    """The one 3-D scalar image that ``path`` names.

    Args:
        path: A NIfTI, NRRD or MHA file, or a folder with one DICOM series.

    Raises:
        InputError: It is missing, unreadable, damaged, no image, or not one 3-D scalar volume.
    """
    _check_path(path)
    warnings: tuple[str, ...] = ()
    try:
        with _quiet():
            if path.is_dir():
                image = dicom.read_folder(path)
            else:
                image, warnings = _read_file(path)
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"cannot be read as an image ({_reason(error)})",
            file=path,
            expected=READABLE,
            remedy="check that the file is complete and is an image",
        ) from error
    pixel_type = image.GetPixelIDTypeAsString()
    image, repaired = orthonormal(_one_volume(image, path), str(path))
    return RawImage(image, pixel_type, (*warnings, *repaired))


def _check_path(path: Path) -> None:
    try:
        found = path.exists()
        readable = os.access(path, os.R_OK)
        empty = found and path.is_file() and path.stat().st_size == 0
    except OSError:
        found, readable, empty = True, False, False
    if not found:
        raise InputError("there is no such file or folder", file=path, remedy="check the path")
    if not readable:
        raise InputError("may not be read", file=path, remedy="check the file's permissions")
    if empty:
        raise InputError("the file is empty", file=path, expected=READABLE, remedy="copy it again")


def _read_file(path: Path) -> tuple[sitk.Image, tuple[str, ...]]:
    if not nifti.is_nifti(path):
        return sitk.ReadImage(str(path)), ()
    not_finite = nifti.scan(path)
    warnings: tuple[str, ...] = ()
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        if "orthonormal" not in str(error):
            raise
        image, warnings = nifti.read_repaired(path)
    if not_finite.size and image.GetNumberOfComponentsPerPixel() == 1:
        image = _with_nan(image, not_finite)
    keys = ("qform_code", "sform_code")
    if all(image.HasMetaDataKey(key) and image.GetMetaData(key) == "0" for key in keys):
        note = "the header does not say how the patient lies; left and right are taken from the"
        warnings = (*warnings, f"{path}: {note} order of its voxels")
    return image, warnings


def _with_nan(image: sitk.Image, places: NDArray[np.int64]) -> sitk.Image:
    """``image`` with NaN where the file has no number: ITK reads 0 there."""
    array = sitk.GetArrayFromImage(image)
    array.reshape(-1)[places] = np.nan
    result = sitk.GetImageFromArray(array, isVector=False)
    result.CopyInformation(image)
    for key in image.GetMetaDataKeys():
        result.SetMetaData(key, image.GetMetaData(key))
    return result


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1] if lines else type(error).__name__
    return said.replace("sitk::ERROR: ", "").replace("ITK ERROR: ", "")[:160]


def _one_volume(image: sitk.Image, path: Path) -> sitk.Image:
    """``image`` as one 3-D scalar volume; a trailing dimension of one is dropped."""
    expected = "one 3-D volume with a single number per voxel"
    if image.GetPixelID() in COMPLEX:
        raise InputError(
            "the voxels are complex numbers",
            file=path,
            expected=expected,
            remedy="export the reconstructed susceptibility map or the magnitude image",
        )
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(
            f"each voxel holds {image.GetNumberOfComponentsPerPixel()} numbers (colour or vectors)",
            file=path,
            expected=expected,
            remedy="export the original grey-scale volume",
        )
    size = image.GetSize()
    while len(size) > 3 and size[-1] == 1:
        image = sitk.Extract(image, [*size[:-1], 0], [0] * len(size))
        size = image.GetSize()
    if len(size) > 3:
        raise InputError(
            f"the image is {len(size)}-D: {size[3]} volumes of {size[0]} x {size[1]} x {size[2]}",
            file=path,
            expected=expected,
            remedy="save the wanted volume (echo, time point) in a file of its own",
        )
    if len(size) < 3 or min(size) < MINIMUM_SIZE:
        raise InputError(
            f"the image is too small: {' x '.join(str(n) for n in size)} voxels",
            file=path,
            expected=f"a 3-D volume of at least {MINIMUM_SIZE} slices that covers the midbrain",
            remedy="choose the whole volume (for DICOM the folder, not one slice)",
        )
    return image


def write_image(image: sitk.Image, path: str | Path) -> Path:
    """Writes ``image`` beside its target and moves it into place.

    Args:
        image: Any image SimpleITK can write.
        path: Target; ``.nii.gz``, ``.nii``, ``.nrrd`` or ``.mha``. Its folder is made if missing.

    Returns:
        The path written. A failed or killed write leaves the old file or none.

    Raises:
        InputError: The format is not one of these, or the folder cannot be written.
    """
    target = Path(path)
    ending = next((end for end in FORMATS if target.name.lower().endswith(end)), None)
    if ending is None:
        raise InputError("not a format that is written", file=target, expected=" ".join(FORMATS))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replaced(target) as partial, _quiet():
            sitk.WriteImage(image, str(partial), useCompression=ending != ".nii")
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"cannot be written ({_reason(error)})",
            file=target,
            remedy="choose a folder that can be written and has space left",
        ) from error
    return target
