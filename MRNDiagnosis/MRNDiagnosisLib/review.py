"""The four ROIs as pictures: each at its fullest slice with the outlines, as the model is given it.

The grey values come through the library's own reading and windows, so a picture shows what a run
would see. No Qt.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNDiagnosisLib.case import Inputs, prepare
from MRNDiagnosisLib.rois import box_of, find_nodes
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.settings import inputs_of
from MRNLib.anatomy import SIDES, roi
from MRNLib.boxes import Box
from MRNLib.geometry import Grid

if TYPE_CHECKING:
    from MRNLib.report_images import View

WIDTH = 380
# The letter R, for the patient's right side.
RIGHT = ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#")
LETTER_COLOR = (255, 220, 90)


def draw(session: Session, folder: Path) -> dict[str, Path]:
    """Writes a picture of each ROI that has a box.

    Args:
        session: What is chosen, with both segmentations.
        folder: Where the pictures go.

    Returns:
        PNG files by ROI name.

    Raises:
        InputError: The case cannot be used.
    """
    from MRNLib.cases import load_case
    from MRNLib.report_images import ReportImages, fullest_slice, views

    inputs: Inputs = inputs_of(session.chosen, {})
    folder.mkdir(parents=True, exist_ok=True)
    images = load_case(
        prepare(inputs, folder), swap_modalities=session.parameters().swap_modalities
    )
    reference = images.qsm.image
    x, y, z = reference.GetSpacing()
    nothing = np.zeros(reference.GetSize()[::-1], np.uint8)
    qsm_mask, nm_mask = (
        nothing if mask is None else sitk.GetArrayFromImage(mask)
        for mask in (images.qsm_mask, images.nm_mask)
    )
    qsm, nm = (sitk.GetArrayFromImage(volume.image) for volume in (images.qsm, images.nm))
    shown = views(ReportImages(qsm, nm, qsm_mask, nm_mask, (x, y, z)))
    pictures = {}
    for name, node in find_nodes(session.scene).items():
        definition = roi(name)
        view, box = shown[definition.modality], box_of(node, Grid.of(reference))
        inside = replace(view, mask=view.mask[box.slices])
        keys = [nucleus.key for nucleus in definition.nuclei]
        slice_number = box.lower[2] + fullest_slice(inside, keys)
        pictures[name] = folder / f"{name}.png"
        array = picture(view, box, slice_number)
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(pictures[name]))
    return pictures


def picture(view: View, box: Box, k: int) -> NDArray[np.uint8]:
    """One slice of a box with its outlines, ``[height, width, 3]``; patient's right is left.

    Args:
        view: The ROI's modality.
        box: The ROI.
        k: The slice.
    """
    rows, columns = box.slices[1:]
    grey = (255 * view.grey[k, rows, columns]).astype(np.uint8)
    labels = np.asarray(view.mask[k, rows, columns])
    factor = max(WIDTH // grey.shape[1], 1)
    tall = max(round(factor * view.aspect), 1)
    grey, labels = (a.repeat(tall, axis=0).repeat(factor, axis=1) for a in (grey, labels))
    array = np.repeat(grey[..., None], 3, axis=2)
    for nucleus in view.nuclei:
        for side in SIDES:
            array[_edge(labels == nucleus.label(side))] = nucleus.color
    _write_letter(array)
    return array


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The inner rim of a shape, two pixels wide."""
    kept = inside
    for _ in range(2):
        wide = np.pad(kept, 1, mode="edge")
        kept = kept & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return inside & ~kept


def _write_letter(array: NDArray[np.uint8], size: int = 3, margin: int = 6) -> None:
    letter = np.array([[dot == "#" for dot in row] for row in RIGHT])
    letter = letter.repeat(size, axis=0).repeat(size, axis=1)
    height, width = letter.shape
    if array.shape[0] > height + margin and array.shape[1] > width + margin:
        array[margin : margin + height, margin : margin + width][letter] = LETTER_COLOR
