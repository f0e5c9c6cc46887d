"""Folders of digital patients, and one patient painted into given masks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.errors import InputError
from MRNLib.files import read_raw
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
        progress: Called once per patient; may raise ``Cancelled``.
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
) -> Path:
    """Writes one digital patient whose nuclei are the labels of two mask files.

    Args:
        qsm_mask_path: Labels 0 to 16, any format and orientation the library reads.
        nm_mask_path: Labels 0 to 2, on the same grid.
        seed: Decides the tissue, head and noise.
        diagnosis: ``HC`` or ``PD``; None leaves it to the seed.
        out: Cohort folder.
        modalities: Which images to write.

    Returns:
        The case folder. Its files lie on the masks' own grid, turned to the axes i left, j
        anterior, k superior.

    Raises:
        InputError: A file cannot be read, or is no mask of the challenge's kind.
    """
    read_labels(Path(out) / LABELS_FILE)
    masks = [_read_mask(Path(path)) for path in (qsm_mask_path, nm_mask_path)]
    if masks[0].GetSize() != masks[1].GetSize():
        raise InputError(
            f"the masks have different sizes, {masks[0].GetSize()} and {masks[1].GetSize()}",
            file=nm_mask_path,
            expected="both masks of one patient, on one grid",
        )
    qsm_mask, nm_mask = (sitk.GetArrayFromImage(mask) for mask in masks)
    x, y, z = masks[0].GetSpacing()
    phantom = paint(qsm_mask, nm_mask, (x, y, z), seed, diagnosis, modalities)
    name = identifier(seed)
    folder = write_case(phantom, Path(out) / name, reference=masks[0])
    write_labels(Path(out), {name: phantom.truth})
    return folder


def _read_mask(path: Path) -> sitk.Image:
    """A label map in the challenge's axis order."""
    image = sitk.DICOMOrient(read_raw(path).image, "LAS")
    values = np.unique(sitk.GetArrayViewFromImage(image))
    if not np.array_equal(values, np.rint(values)):
        raise InputError("the mask holds fractions", file=path, expected="whole label numbers")
    return sitk.Cast(image, sitk.sitkInt16)
