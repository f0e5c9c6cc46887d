"""Folders of digital patients, and one patient painted into given masks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.anatomy import NUCLEI_BY_MODALITY
from MRNLib.errors import InputError
from MRNLib.files import read_raw
from MRNLib.geometry import Grid, same_grid
from MRNLib.phantom.painting import paint
from MRNLib.phantom.patient import MODALITIES, generate
from MRNLib.phantom.write import (
    LABELS_FILE,
    identifier,
    read_labels,
    write_case,
    write_labels,
)
from MRNLib.progress import Progress, silent
from MRNLib.sides import check_sides, is_merged


def write_cohort(
    folder: str | Path,
    number: int,
    seed: int,
    progress: Progress = silent,
    diagnosis: str | None = None,
    modalities: Collection[str] = MODALITIES,
) -> list[Path]:
    """Writes digital patients of the seeds ``seed``, ``seed + 1``, ... in the challenge's layout.

    Args:
        folder: Cohort folder; made if missing, patients already there stay.
        number: How many.
        seed: Of the first.
        progress: Called before each patient is made and before it is written; may raise
            ``Cancelled``.
        diagnosis: ``HC`` or ``PD`` for all; None leaves it to the seeds, balanced.
        modalities: Which images to write.

    Returns:
        The case folders, ``<folder>/PHM_<seed>``.
    """
    folder = Path(folder)
    read_labels(folder / LABELS_FILE)
    written = []
    for count in range(number):
        name = identifier(seed + count)
        progress(count / number, f"digital patient {name}")
        phantom = generate(seed + count, diagnosis, modalities)
        progress((count + 0.7) / number, f"writing {name}")
        written.append(write_case(phantom, folder / name))
        write_labels(folder, {name: phantom.truth})
    progress(1.0, f"{number} digital patients in {folder}")
    return written


def paint_case(
    qsm_mask_path: str | Path,
    nm_mask_path: str | Path,
    seed: int,
    diagnosis: str | None,
    out: str | Path,
    modalities: Collection[str] = MODALITIES,
    progress: Progress = silent,
) -> Path:
    """Writes one digital patient whose nuclei are the labels of two mask files.

    Args:
        qsm_mask_path: Labels 0 to 16, any format and orientation the library reads.
        nm_mask_path: Labels 0 to 2, on the same grid.
        seed: Decides the tissue, head and noise.
        diagnosis: ``HC`` or ``PD``; None leaves it to the seed.
        out: Cohort folder.
        modalities: Which images to write.
        progress: Called between the steps; may raise ``Cancelled``.

    Returns:
        The case folder. Its files lie on the masks' own grid, turned to the axes i left, j
        anterior, k superior.

    Raises:
        InputError: A file cannot be read, is no mask of the challenge's kind or has its sides
            exchanged or merged, or the two lie on different grids.
    """
    read_labels(Path(out) / LABELS_FILE)
    progress(0.0, "reading the masks")
    masks = [_read_mask(Path(path)) for path in (qsm_mask_path, nm_mask_path)]
    _check_grids(masks[0], masks[1], nm_mask_path)
    qsm_mask, nm_mask = (sitk.GetArrayFromImage(mask) for mask in masks)
    _check_labelled_sides(qsm_mask, "QSM", qsm_mask_path)
    _check_labelled_sides(nm_mask, "NM", nm_mask_path)
    x, y, z = masks[0].GetSpacing()
    name = identifier(seed)
    progress(0.1, f"digital patient {name}")
    phantom = paint(qsm_mask, nm_mask, (x, y, z), seed, diagnosis, modalities)
    progress(0.7, f"writing {name}")
    folder = write_case(phantom, Path(out) / name, reference=masks[0])
    write_labels(Path(out), {name: phantom.truth})
    progress(1.0, f"1 digital patient in {out}")
    return folder


def _read_mask(path: Path) -> sitk.Image:
    """A label map in the challenge's axis order."""
    image = sitk.DICOMOrient(read_raw(path).image, "LAS")
    values = np.unique(sitk.GetArrayViewFromImage(image))
    if not np.array_equal(values, np.rint(values)):
        raise InputError("the mask holds fractions", file=path, expected="whole label numbers")
    if values[0] < 0 or values[-1] > 255:
        raise InputError(
            f"the mask holds values from {values[0]:g} to {values[-1]:g}",
            file=path,
            expected="labels from 1 to 16 (QSM) or 1 to 2 (NM) on a background of 0",
            remedy="give the label map, not an image",
        )
    return sitk.Cast(image, sitk.sitkInt16)


def _check_grids(qsm_mask: sitk.Image, nm_mask: sitk.Image, nm_mask_path: str | Path) -> None:
    """Refuses two masks whose voxels do not lie in the same places."""
    if same_grid(qsm_mask, nm_mask):
        return
    sizes = [mask.GetSize() for mask in (qsm_mask, nm_mask)]
    if sizes[0] != sizes[1]:
        found = f"the masks have different sizes, {sizes[0]} and {sizes[1]}"
    else:
        corners = [Grid.of(mask).corners() for mask in (qsm_mask, nm_mask)]
        apart = np.abs(corners[0] - corners[1]).max()
        found = f"the masks lie on different grids, with corners up to {apart:.2g} mm apart"
    raise InputError(
        found,
        file=nm_mask_path,
        expected="both masks of one patient, on one grid",
        remedy="resample the NM mask onto the QSM mask's grid with nearest neighbour",
    )


def _check_labelled_sides(mask: np.ndarray, modality: str, path: str | Path) -> None:
    """Refuses labels whose sides are merged or exchanged: each side is painted on its own."""
    if is_merged(mask):
        raise InputError(
            "left and right share a label",
            file=path,
            expected="odd labels on the patient's right and even labels on the left",
            remedy="relabel the mask: tissue is painted for each side",
        )
    try:
        check_sides(mask, NUCLEI_BY_MODALITY[modality], str(path))
    except InputError as error:
        # The usual remedy names an option that this command does not have.
        raise InputError(
            error.found,
            file=path,
            expected=error.expected,
            remedy="correct these labels in the mask, or the file's geometry if that is wrong",
        ) from None
