"""Where a node lies in Slicer's subject hierarchy: under the study of what it was made from."""

from __future__ import annotations

from typing import Any


def place_beside(scene: Any, node: Any, reference: Any) -> None:
    """Puts a node under the study of ``reference``; without a subject hierarchy nothing is done.

    DICOM SEG needs it of segmentations, and people look there for the results. The application
    makes the items itself; another front end may not.
    """
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    beside = hierarchy.GetItemByDataNode(reference)
    parent = hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)
