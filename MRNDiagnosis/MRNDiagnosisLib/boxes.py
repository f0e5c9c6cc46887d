"""The ROI nodes of a scene: which were set by hand, and how the others follow the outlines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MRNDiagnosisLib import rois
from MRNDiagnosisLib.case import Inputs
from MRNDiagnosisLib.fingerprints import outlined
from MRNDiagnosisLib.panel_facts import RoiFacts
from MRNLib.boxes import Box
from MRNLib.bundle_store import margin_of
from MRNLib.errors import InputError
from MRNLib.geometry import Grid
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES, Roi

# The box that the outlines gave; a node that has another one was set by hand.
OUTLINED = "MRN.Outlined"
# Role of the reference from an ROI node to the QSM volume whose box it is.
QSM = "MRN.Qsm"


def own_margin(bundle: str) -> tuple[float, int]:
    """The margin of a bundle in mm and slices; the library's usual one if it cannot be read."""
    return margin_of(bundle) or (MARGIN_MM, MARGIN_SLICES)


def forget_others(scene: Any, qsm: Any) -> None:
    """Removes the boxes of another patient, which would pass for set by hand."""
    nodes = rois.find_nodes(scene)
    forget(scene, {name: node for name, node in nodes.items() if node.GetNodeReference(QSM) != qsm})


def set_by_hand(scene: Any, grid: Grid) -> dict[str, Any]:
    """The ROI nodes whose box is not the one that the outlines gave, by ROI name."""
    return {
        name: node
        for name, node in rois.find_nodes(scene).items()
        if _box(node, grid) != node.GetAttribute(OUTLINED)
    }


def _box(node: Any, grid: Grid) -> str | None:
    try:
        return str(rois.box_of(node, grid))
    except InputError:
        return None  # outside the volume: by hand, and the library will say so


def drawn(inputs: Inputs, grid: Grid, margin_mm: float, margin_slices: int) -> dict[str, Roi]:
    """The ROIs as the outlines give them, with what the library notices about each.

    Raises:
        InputError: A segmentation that is no mask.
    """
    drawn = outlined(inputs, grid, margin_mm, margin_slices).values()
    return {name: roi for outlines in drawn for name, roi in outlines.rois.items()}


def follow(
    scene: Any, boxes: Mapping[str, Box], by_hand: Mapping[str, Any], grid: Grid, qsm: Any
) -> None:
    """Shows ``boxes``; those not set by hand are remembered as what the outlines gave.

    Args:
        scene: The MRML scene.
        boxes: Every box that is to be seen, those set by hand among them.
        by_hand: The nodes set by hand.
        grid: The QSM's canonical grid.
        qsm: The QSM volume.
    """
    for name, node in rois.show_boxes(scene, boxes, grid).items():
        node.SetNodeReferenceID(QSM, qsm.GetID())
        if name not in by_hand:
            node.SetAttribute(OUTLINED, str(boxes[name]))


def forget(scene: Any, nodes: Mapping[str, Any]) -> None:
    """Removes ROI nodes, so that the next look makes them from the outlines again."""
    for node in nodes.values():
        rois.remove(scene, node)


def row(name: str, box: Box | None, grid: Grid, by_hand: bool, notes: tuple[str, ...]) -> RoiFacts:
    """What the panel's table says of one ROI."""
    if box is None:
        return RoiFacts(name, notes=notes)
    x, y, z = (n * mm for n, mm in zip(box.size, grid.spacing, strict=True))
    return RoiFacts(name, box.size[2], (x, y, z), by_hand, () if by_hand else notes)


def rows(
    boxes: Mapping[str, Box | None],
    by_hand: Mapping[str, Any],
    drawn: Mapping[str, Roi],
    grid: Grid,
) -> tuple[RoiFacts, ...]:
    """The panel's table.

    Args:
        boxes: The box of each ROI that has outlines.
        by_hand: The nodes set by hand.
        drawn: What :func:`drawn` says.
        grid: The QSM's canonical grid.
    """
    notes = {name: roi.warnings for name, roi in drawn.items()}
    return tuple(
        row(name, box, grid, name in by_hand, notes.get(name, ())) for name, box in boxes.items()
    )
