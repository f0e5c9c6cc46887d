"""The four ROIs as pictures: each at its fullest slice with the outlines, as the model is given it.

The grey values come through the library's own reading and windows, so a picture shows what a run
would see. No Qt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNDiagnosisLib.case import Inputs, prepare
from MRNDiagnosisLib.fingerprints import mask_on
from MRNDiagnosisLib.kept import Kept
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


@dataclass(frozen=True, eq=False)
class Read:
    """Both volumes as a run sees them, ``[k, j, i]`` on one grid: ppb, and unitless."""

    qsm: NDArray[np.float32]
    nm: NDArray[np.float32]
    grid: Grid


class Pictures:
    """Draws the ROIs; what it reads of the volumes it keeps, so that a stroke is shown soon.

    Args:
        session: What is chosen, with both segmentations.
        folder: Where the pictures go, and the volumes without a file of their own.
    """

    def __init__(self, session: Session, folder: Path) -> None:
        self._session, self._folder = session, folder
        self._kept = Kept(4)  # the volumes, two masks, and the volumes' grey values

    def draw(self) -> dict[str, Path]:
        """Writes a picture of each ROI that has a box.

        Returns:
            PNG files by ROI name.

        Raises:
            InputError: The case cannot be used.
        """
        from MRNLib.report_images import fullest_slice

        inputs: Inputs = inputs_of(self._session.chosen, {})
        read = self._read(inputs)
        shown = self._views(inputs, read)
        pictures = {}
        for name, node in find_nodes(self._session.scene).items():
            definition = roi(name)
            view, box = shown[definition.modality], box_of(node, read.grid)
            inside = replace(view, mask=view.mask[box.slices])
            keys = [nucleus.key for nucleus in definition.nuclei]
            slice_number = box.lower[2] + fullest_slice(inside, keys)
            pictures[name] = self._folder / f"{name}.png"
            array = picture(view, box, slice_number)
            sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(pictures[name]))
        return pictures

    def _read(self, inputs: Inputs) -> Read:
        from MRNLib.cases import load_case

        swapped = self._session.chosen.swap_modalities

        def make() -> Read:
            self._folder.mkdir(parents=True, exist_ok=True)
            case = prepare(Inputs(inputs.qsm, inputs.nm), self._folder)
            images = load_case(case, swap_modalities=swapped)
            qsm, nm = (sitk.GetArrayFromImage(image.image) for image in (images.qsm, images.nm))
            return Read(qsm, nm, Grid.of(images.qsm.image))

        nodes = [node for node in (inputs.qsm, inputs.nm) if node is not None]
        return self._kept.get("volumes", nodes, swapped, make)

    def _mask(self, modality: str, node: Any, volume: Any, read: Read) -> NDArray[np.uint8]:
        if node is None:
            return np.zeros(read.qsm.shape, np.uint8)
        return self._kept.get(
            f"{modality} mask",
            (node, volume),
            read.grid,
            lambda: mask_on(node, modality, volume, read.grid),
        )

    def _views(self, inputs: Inputs, read: Read) -> dict[str, View]:
        """Grey values and masks by modality; the NM's window follows the NM's mask."""
        from MRNLib.report_images import ReportImages, views

        masks = {
            "QSM": self._mask("QSM", inputs.qsm_segmentation, inputs.qsm, read),
            "NM": self._mask("NM", inputs.nm_segmentation, inputs.nm, read),
        }

        def make() -> dict[str, View]:
            x, y, z = read.grid.spacing
            return views(ReportImages(read.qsm, read.nm, masks["QSM"], masks["NM"], (x, y, z)))

        nodes = [inputs.qsm, inputs.nm, inputs.nm_segmentation]
        swapped = self._session.chosen.swap_modalities
        shown = self._kept.get("views", [node for node in nodes if node], swapped, make)
        return {name: replace(view, mask=masks[name]) for name, view in shown.items()}


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
