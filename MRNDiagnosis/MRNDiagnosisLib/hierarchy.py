"""Where a node lies in Slicer's subject hierarchy: under the study of what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
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


def patient_of(scene: Any, node: Any) -> int:
    """The item of the patient under whom a node lies; 0 where the subject hierarchy has none."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    if not item:
        return 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return int(hierarchy.GetItemAncestorAtLevel(item, level))


def different_patients(scene: Any, nodes: Sequence[Any]) -> str:
    """The sentence for volumes of different patients; empty where none is known to be another's."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    found = [(node, patient_of(scene, node)) for node in nodes]
    known = [(node, patient) for node, patient in found if patient]
    if len({patient for _, patient in known}) < 2:
        return ""
    said = [
        f"'{node.GetName()}' is of the patient '{hierarchy.GetItemName(patient)}'"
        for node, patient in known
    ]
    return f"{' and '.join(said)}: choose volumes of one patient."
