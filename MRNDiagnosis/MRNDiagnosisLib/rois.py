"""The four boxes as ROI nodes that can be dragged, and back to whole voxels.

Boxes are :class:`MRNLib.boxes.Box` on the canonical grid of the QSM
(:func:`MRNDiagnosisLib.volumes.canonical_grid`); nodes are in RAS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNDiagnosisLib.volumes import RAS_LPS, require_no_transform
from MRNLib.anatomy import roi
from MRNLib.boxes import Box, triple
from MRNLib.errors import InputError
from MRNLib.geometry import Grid

ROI_ATTRIBUTE = "MRN.Roi"
# Of the view; Slicer's own is 3.
HANDLE_PERCENT = 1.6
# Of a handle's size.
LINE_THICKNESS = 0.25


def show_boxes(scene: Any, boxes: Mapping[str, Box], grid: Grid) -> dict[str, Any]:
    """Shows boxes as ROI nodes named ``MRN <ROI>``; those already there are moved.

    Args:
        scene: Where they go.
        boxes: By ROI name. Nodes of ROIs that are not among them are removed.
        grid: The boxes' grid.

    Returns:
        The node of each ROI.
    """
    nodes = find_nodes(scene)
    for name in [name for name in nodes if name not in boxes]:
        remove(scene, nodes.pop(name))
    for name, box in boxes.items():
        if name not in nodes:
            nodes[name] = _new_node(scene, name)
        set_box(nodes[name], box, grid)
    return {name: nodes[name] for name in boxes}


def remove(scene: Any, node: Any) -> None:
    """Removes an ROI node with its display nodes, which outlive it otherwise."""
    while node.GetNumberOfDisplayNodes():
        scene.RemoveNode(node.GetNthDisplayNode(0))
    scene.RemoveNode(node)


def find_nodes(scene: Any) -> dict[str, Any]:
    """The ROI nodes of a scene by ROI name, such as one read from a file."""
    found = scene.GetNodesByClass("vtkMRMLMarkupsROINode")
    nodes = [found.GetItemAsObject(n) for n in range(found.GetNumberOfItems())]
    return {
        node.GetAttribute(ROI_ATTRIBUTE): node for node in nodes if node.GetAttribute(ROI_ATTRIBUTE)
    }


def _new_node(scene: Any, name: str) -> Any:
    """A box that can be moved and resized, not turned: the crops follow the voxels' axes."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", f"MRN {name}")
    node.SetAttribute(ROI_ATTRIBUTE, name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    color = [part / 255 for part in roi(name).nuclei[0].color]
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetFillOpacity(0.0)
    display.SetRotationHandleVisibility(False)
    # Four boxes lie over small nuclei: thin lines and small handles leave the outlines to be seen,
    # and the panel's rows have the boxes' names.
    display.SetInteractionHandleScale(HANDLE_PERCENT)
    display.SetGlyphScale(HANDLE_PERCENT)
    display.SetLineThickness(LINE_THICKNESS)
    display.SetPropertiesLabelVisibility(False)
    return node


def set_box(roi_node: Any, box: Box, grid: Grid) -> None:
    """Puts an ROI node around the voxels of ``box``, from face to face.

    Raises:
        InputError: The node is under a transform.
    """
    import vtk

    require_no_transform(roi_node)
    lower, upper = np.array(box.lower), np.array(box.upper)
    centre = RAS_LPS @ (grid.matrix() @ ((lower + upper - 1) / 2) + grid.origin)
    axes = _axes(grid)
    matrix = vtk.vtkMatrix4x4()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, axes[row, column])
        matrix.SetElement(row, 3, centre[row])
    modifying = roi_node.StartModify()
    try:
        roi_node.SetAndObserveObjectToNodeMatrix(matrix)
        roi_node.SetSize(*(np.array(box.size) * grid.spacing))
    finally:
        roi_node.EndModify(modifying)


def _axes(grid: Grid) -> NDArray[np.float64]:
    """The axes in RAS, right, anterior and superior: an upright box is not turned."""
    return RAS_LPS @ np.reshape(grid.direction, (3, 3)) @ RAS_LPS


def box_of(roi_node: Any, grid: Grid) -> Box:
    """The box of an ROI node: its faces on the nearest faces of voxels, cut at the volume's edge.

    A node thinner than a voxel gets the voxel around its centre; one that was turned against the
    grid gets the smallest box around its corners.

    Raises:
        InputError: The node was never placed, lies outside the volume, or is under a transform.
    """
    require_no_transform(roi_node)
    size = np.array(roi_node.GetSize())
    if roi_node.GetNumberOfDefinedControlPoints() == 0 or not size.all():
        raise InputError(f"the box '{roi_node.GetName()}' is not placed yet", remedy="place it")
    corners = _corners(roi_node, size) @ RAS_LPS
    index = np.linalg.solve(grid.matrix(), (corners - grid.origin).T).T + 0.5
    low, high = index.min(axis=0), index.max(axis=0)
    lower, upper = np.floor(low + 0.5), np.floor(high + 0.5)
    thin = lower == upper
    lower = np.where(thin, np.floor((low + high) / 2), lower)
    upper = np.where(thin, lower + 1, upper)
    try:
        return Box(triple(lower), triple(upper)).clip(grid.size)
    except ValueError:
        raise InputError(
            f"the box '{roi_node.GetName()}' lies outside the QSM volume",
            expected="a box within the volume",
            remedy="move it back, or set it from the masks again",
        ) from None


def _corners(roi_node: Any, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eight corners in RAS, ``[8, 3]``."""
    matrix = roi_node.GetObjectToNodeMatrix()
    rows = [[matrix.GetElement(i, j) for j in range(4)] for i in range(3)]
    axes, centre = np.array(rows)[:, :3], np.array(rows)[:, 3]
    ends = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij")).reshape(3, -1)
    return (axes @ (ends * size[:, None])).T + centre
