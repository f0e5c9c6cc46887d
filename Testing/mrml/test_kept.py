"""Large volumes are hashed once, not after every stroke; any change that matters is seen."""

from __future__ import annotations

import dataclasses

import pytest
import SimpleITK as sitk
from edits import DN_ROWS, RN_INSIDE, brighten, draw, move, of, patient_in
from MRNDiagnosisLib import fingerprints, kept, segmentations, volumes
from MRNDiagnosisLib.kept import Kept
from scenes import new_transform

from MRNLib.errors import InputError


@pytest.fixture
def patient(scene, tmp_path, monkeypatch):
    store = Kept()
    for module in (volumes, fingerprints):
        monkeypatch.setattr(module, "SMALL", store)
    return patient_in(scene, tmp_path, "RAS")


@pytest.fixture
def asked(monkeypatch):
    """What is read of the nodes: contents of volumes and masks, by the name of the node."""
    found = []

    def spied(module, name):
        before = getattr(module, name)

        def spy(node, *rest):
            found.append(f"{name} {node.GetName()}")
            return before(node, *rest)

        monkeypatch.setattr(module, name, spy)

    spied(fingerprints, "_content")
    spied(segmentations, "mask_of")
    return found


def test_nothing_is_read_again_while_nothing_changes(patient, asked):
    first = of(patient)
    assert sorted(asked) == ["_content NM", "_content QSM", "mask_of NM mask", "mask_of QSM mask"]
    asked.clear()
    patient.inputs.qsm.SetName("another")
    assert of(patient) == first
    assert volumes.canonical_grid(patient.inputs.qsm) == patient.grid
    assert asked == []


def test_a_stroke_reads_its_own_mask_alone(patient, asked):
    before = of(patient)
    asked.clear()
    draw(patient, "RN_R", RN_INSIDE, 0)
    now = of(patient)
    assert asked == ["mask_of QSM mask"]
    assert now.masks["QSM"] != before.masks["QSM"]
    assert dataclasses.replace(now, masks=before.masks) == before
    draw(patient, "DN_R", DN_ROWS, 0)
    draw(patient, "DN_L", DN_ROWS, 0)
    assert of(patient).boxes["QSM3"] == ""


@pytest.mark.parametrize(
    "edit",
    [
        brighten,
        lambda node: node.SetOrigin(*move(node.GetOrigin(), 0, 0, 3)),
        lambda node: node.SetSpacing(1.1, 1.1, 3),
        lambda node: node.SetAttribute("MRN.Phantom", "1"),
    ],
    ids=["voxels", "origin", "spacing", "mark"],
)
def test_a_volume_that_changed_is_read_again(patient, asked, edit):
    before = of(patient)
    asked.clear()
    edit(patient.inputs.nm)
    assert of(patient).volumes["NM"] != before.volumes["NM"]
    assert "_content NM" in asked
    assert "_content QSM" not in asked


def test_a_grid_follows_its_volume(patient):
    qsm = patient.inputs.qsm
    qsm.SetOrigin(*move(qsm.GetOrigin(), 0, 0, 3))
    assert volumes.canonical_grid(qsm).origin == pytest.approx(move(patient.grid.origin, 0, 0, 3))
    qsm.SetAndObserveTransformNodeID(new_transform(patient.scene).GetID())
    with pytest.raises(InputError, match="transform"):
        volumes.canonical_grid(qsm)


def test_another_scene_with_the_same_identifiers(patient, scene, tmp_path):
    first, node = of(patient), patient.inputs.qsm.GetID()
    scene.Clear(0)
    path = tmp_path / "other.nrrd"
    sitk.WriteImage(sitk.Image([8, 9, 10], sitk.sitkFloat32), str(path))
    other = volumes.load(scene, path, "QSM")
    assert other.GetID() == node
    assert volumes.canonical_grid(other).size == (8, 9, 10)
    assert fingerprints._volume(other) != first.volumes["QSM"]


def test_errors_and_nodes_without_a_scene_are_not_kept(scene):
    import slicer

    store, loose, empty = Kept(), slicer.vtkMRMLScalarVolumeNode(), []
    numbers = iter(range(9))
    assert [store.get("n", [loose], None, lambda: next(numbers)) for _ in range(2)] == [0, 1]
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")

    def fail():
        empty.append(1)
        raise InputError("empty")

    for _ in range(2):
        with pytest.raises(InputError):
            store.get("n", [node], None, fail)
    assert len(empty) == 2


def test_only_so_many_are_kept(scene):
    store = Kept(2)
    nodes = [scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(3)]
    made = []
    for number in (0, 1, 0, 2, 0, 1):
        store.get("n", [nodes[number]], None, lambda number=number: made.append(number))
    assert made == [0, 1, 2, 1]
    assert kept.MANY >= 8
