"""Reading, checking and writing volumes: one canonical image in known units, or what to do instead.

numpy and SimpleITK only. Sizes, spacings and origins are in ``(i, j, k)`` order and millimetres;
arrays taken from an image are ``[k, j, i]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from MRNLib import files, geometry, values
from MRNLib.errors import InputError
from MRNLib.files import write_image
from MRNLib.geometry import Grid
from MRNLib.repair import coarsen_huge, crop_huge, usable

__all__ = [
    "PHANTOM_MARK",
    "ROLES",
    "SourceInfo",
    "Volume",
    "canonical_grid",
    "check_pair",
    "is_phantom",
    "on_grid",
    "read_volume",
    "restore",
    "write_image",
]

# What marks a digital phantom in a file's header (NIfTI ``descrip``; any text field elsewhere).
PHANTOM_MARK = "MRN digital phantom"
ROLES = ("QSM", "NM", "T1")
NAMES = {"QSM": "susceptibility map", "NM": "neuromelanin image", "T1": "T1 image"}
# Outside these a model has seen nothing comparable (training data: 0.67 x 0.67 x 2 mm).
THICKEST_SLICE = 3.0
WIDEST_PIXEL = 1.5


@dataclass(frozen=True)
class SourceInfo:
    """Where a volume came from and how it lay there; turns into JSON and back.

    Attributes:
        path: The file or DICOM folder.
        sha256: Hash of the file, or of the folder's files in order.
        size: Voxels along ``(i, j, k)``.
        spacing: Voxel size in mm, ``(i, j, k)``.
        origin: First voxel's centre in mm, LPS.
        direction: Axes, 3 x 3 row by row.
        pixel_type: Stored number type.
        scale: Factor applied to the stored values (1000 for a map in ppm).
    """

    path: str
    sha256: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    pixel_type: str
    scale: float = 1.0

    @property
    def grid(self) -> Grid:
        """The file's own grid."""
        return Grid(self.size, self.spacing, self.origin, self.direction)


@dataclass(frozen=True, eq=False)
class Volume:
    """One checked volume.

    Attributes:
        image: Canonical (LPS) float32; ppb for QSM, unitless for NM and T1.
        role: ``QSM``, ``NM`` or ``T1``.
        source: The file's hash and geometry, the target of :func:`restore`.
        warnings: What was changed or is unusual, as sentences.
        phantom: The header marks it as a digital phantom.
        not_finite: Where NaN or infinite voxels were replaced (uint8, same grid), or None.
    """

    image: sitk.Image
    role: str
    source: SourceInfo
    warnings: tuple[str, ...] = ()
    phantom: bool = False
    not_finite: sitk.Image | None = None


def is_phantom(image: sitk.Image | sitk.ImageFileReader) -> bool:
    """Whether any text in the header of an image, read or being read, has the phantom's mark."""
    return any(PHANTOM_MARK in image.GetMetaData(key) for key in image.GetMetaDataKeys())


def read_volume(path: str | Path, role: str) -> Volume:
    """Reads one volume, checks it and brings it to canonical orientation.

    Args:
        path: A NIfTI, NRRD or MHA file, or a folder with one DICOM series.
        role: ``QSM``, ``NM`` or ``T1``: decides what its values may be.

    Raises:
        InputError: It is not one 3-D scalar volume with usable geometry and values.
    """
    path = Path(path)
    raw = files.read_raw(path)
    file, image = str(path), raw.image
    phantom = is_phantom(image)
    source = _source(raw, path)
    image, not_finite, repaired = usable(image, file)
    image, scale, judged = _judge(image, role, file)
    warnings = (*raw.warnings, *repaired, *judged, *_resolution(image, role, file))
    return Volume(image, role, replace(source, scale=scale), warnings, phantom, not_finite)


def canonical_grid(image: sitk.Image, file: str) -> Grid:
    """The grid to which :func:`read_volume` brings ``image``, whatever its values mean.

    Args:
        image: A volume with axes at right angles.
        file: For the error.

    Raises:
        InputError: It is rotated by more than 30 degrees.
    """
    image, _ = crop_huge(sitk.DICOMOrient(image, "LPS"), file)
    image, _ = coarsen_huge(image, file)
    return Grid.of(geometry.upright(image, file)[0])


def _source(raw: files.RawImage, path: Path) -> SourceInfo:
    image = raw.image
    return SourceInfo(
        str(path),
        files.sha256(path),
        image.GetSize(),
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
        raw.pixel_type,
    )


def _judge(image: sitk.Image, role: str, file: str) -> tuple[sitk.Image, float, tuple[str, ...]]:
    """Checks the values for the role; a susceptibility map comes back in ppb."""
    array = sitk.GetArrayViewFromImage(image)
    summary = values.summarise(array)
    values.check_not_constant(summary, file)
    values.check_not_phase(summary, file)
    if role != "QSM":
        values.check_magnitude(summary, NAMES[role], file)
        return image, 1.0, values.unusual_magnitude(array, file) if role == "NM" else ()
    scale, warnings = values.susceptibility_scale(summary, file)
    if scale != 1.0:
        image = image * scale
        array = sitk.GetArrayViewFromImage(image)
    values.check_sign(array, file)
    return image, scale, (*warnings, *values.unusual_slices(array, file))


def _resolution(image: sitk.Image, role: str, file: str) -> tuple[str, ...]:
    x, y, z = image.GetSpacing()
    notes = []
    if z > THICKEST_SLICE + 1e-3:
        notes.append(f"slices are {z:.1f} mm thick (above {THICKEST_SLICE:.0f} mm)")
    if max(x, y) > WIDEST_PIXEL + 1e-3:
        notes.append(f"pixels are {max(x, y):.1f} mm wide (above {WIDEST_PIXEL:.1f} mm)")
    if not notes or role == "T1":
        return ()
    return (f"{file}: out of distribution: {' and '.join(notes)}",)


def on_grid(volume: Volume, reference: Volume) -> Volume:
    """``volume`` on the canonical grid of ``reference``, resampled linearly if grids differ.

    Raises:
        InputError: Less than 80 % of the smaller field of view lies in the other.
    """
    if geometry.same_grid(volume.image, reference.image):
        for image in (volume.image, volume.not_finite):
            if image is not None:
                image.CopyInformation(reference.image)
        return volume
    check_overlap(volume.image, volume.source.path, reference)
    image = geometry.onto(volume.image, reference.image, sitk.sitkLinear)
    bad = volume.not_finite
    if bad is not None:
        bad = geometry.onto(bad, reference.image, sitk.sitkNearestNeighbor)
    note = f"{volume.source.path}: resampled on the grid of {reference.source.path}"
    return replace(volume, image=image, not_finite=bad, warnings=(*volume.warnings, note))


def check_overlap(image: sitk.Image, file: str, reference: Volume) -> None:
    """Refuses an image whose field of view lies elsewhere.

    Raises:
        InputError: Less than 80 % of the smaller field of view lies in the other.
    """
    share = geometry.overlap(image, reference.image)
    if share < geometry.ENOUGH_OVERLAP:
        raise InputError(
            f"only {100 * share:.0f} % of it overlaps with {reference.source.path}",
            file=file,
            expected=f"volumes of one examination that overlap by "
            f"{100 * geometry.ENOUGH_OVERLAP:.0f} % or more",
            remedy="check that both files are of one patient and registered to each other",
        )


def check_pair(qsm: Volume, nm: Volume) -> Volume:
    """The NM volume on the QSM's grid; see :func:`on_grid`."""
    return on_grid(nm, qsm)


def check_not_swapped(qsm: str | Path, nm: str | Path) -> None:
    """Refuses a pair whose files have changed places. Reads both; nothing is kept.

    Raises:
        InputError: The file given as QSM looks like a magnitude image, the NM like susceptibility.
    """
    looks: list[values.Summary] = []
    for path in (qsm, nm):
        raw = files.read_raw(Path(path)).image
        looks.append(values.summarise(sitk.GetArrayViewFromImage(raw)))
    if values.looks_like_magnitude(looks[0]) and values.looks_like_susceptibility(looks[1]):
        raise InputError(
            f"QSM and NM are swapped: {qsm} has no negative values, {nm} is centred on zero",
            expected="the susceptibility map as QSM and the neuromelanin image as NM",
            remedy="give them the other way round (--swap-modalities, or exchange the selectors)",
        )


def restore(label_image: sitk.Image, volume: Volume) -> sitk.Image:
    """A canonical label map back on the grid of the file that ``volume`` was read from.

    Flips and permutations come back voxel for voxel; where reading resampled or cropped the
    volume, the nearest label is taken.
    """
    return geometry.back_to(label_image, volume.source.grid)
