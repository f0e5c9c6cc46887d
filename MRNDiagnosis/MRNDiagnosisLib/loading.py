"""The two volumes of a patient: read into the scene, or found there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.hierarchy import patient_of
from MRNDiagnosisLib.volumes import load

# How the names of volumes say what they are.
NAMES = {"qsm": r"(?i)qsm|suscept", "nm": r"(?i)neuromelanin|(^|[^a-z])nm([^a-z]|$)"}


def load_both(scene: Any, qsm: str | Path, nm: str | Path, name: str) -> tuple[Any, Any]:
    """Reads a QSM and an NM file into new volume nodes ``<name> QSM`` and ``<name> NM``.

    Raises:
        InputError: One cannot be read; the scene is left as it was.
    """
    first = load(scene, qsm, f"{name} QSM")
    try:
        return first, load(scene, nm, f"{name} NM")
    except BaseException:
        remove(scene, first)
        raise


def remove(scene: Any, *nodes: Any) -> None:
    """Removes nodes with their display and storage nodes, which outlive them otherwise."""
    for node in nodes:
        while node.GetNumberOfDisplayNodes():
            scene.RemoveNode(node.GetNthDisplayNode(0))
        while node.GetNumberOfStorageNodes() and node.GetNthStorageNode(0) is not None:
            scene.RemoveNode(node.GetNthStorageNode(0))
        scene.RemoveNode(node)


def plainly_named(scene: Any) -> dict[str, Any]:
    """The QSM and the NM volume of a scene, as far as there is no doubt which they are.

    Returns:
        By field of the parameter node. Where several volumes have such a name, those of the only
        patient of the subject hierarchy that has one of each; else what is named once, unless the
        two are known to be of different patients.
    """
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
    nodes = [node for node in nodes if not node.IsA("vtkMRMLLabelMapVolumeNode")]
    named = {
        field: [node for node in nodes if re.search(pattern, node.GetName() or "")]
        for field, pattern in NAMES.items()
    }
    patients = {node.GetID(): patient_of(scene, node) for node in nodes}
    pairs = []
    for patient in sorted(set(filter(None, patients.values()))):
        own = {
            field: [node for node in found if patients[node.GetID()] == patient]
            for field, found in named.items()
        }
        if all(len(found) == 1 for found in own.values()):
            pairs.append({field: found[0] for field, found in own.items()})
    if len(pairs) == 1:
        return pairs[0]
    alone = {field: found[0] for field, found in named.items() if len(found) == 1}
    known = {patients[node.GetID()] for node in alone.values()} - {0}
    return alone if len(known) < 2 else {}
