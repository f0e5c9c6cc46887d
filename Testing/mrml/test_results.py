"""The result's nodes in a scene: replaced, saved and read back, under their study."""

from __future__ import annotations

import dataclasses
import sys
import types

import pytest
from MRNDiagnosisLib import results
from report_helpers import examination
from result_helpers import PARTS, column, kinds, saved_and_read

from MRNLib.anatomy import NOTICE
from MRNLib.errors import InputError
from MRNLib.examination import to_json


def names(scene):
    kinds = ("vtkMRMLTextNode", "vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")
    found = [scene.GetNodesByClass(kind) for kind in kinds]
    return [c.GetItemAsObject(n).GetID() for c in found for n in range(c.GetNumberOfItems())]


def test_second_result_takes_the_place_of_the_first(scene):
    first = results.show(scene, examination())
    before = names(scene)
    first.text.SetAttribute(results.FINGERPRINT, "of the first")
    second = results.show(scene, examination(probability_pd=0.2, decision="HC", masking=()))
    assert names(scene) == before
    assert all(getattr(first, part) is getattr(second, part) for part in PARTS)
    assert second.maskings.GetNumberOfRows() == 0
    assert second.chart.GetNumberOfPlotSeriesNodes() == 0
    assert second.text.GetAttribute(results.FINGERPRINT) is None
    third = results.show(scene, examination(), "another name")
    assert names(scene) == before
    assert third.text.GetName() == "another name"
    assert third.maskings.GetName().startswith("another name ROI maskings")
    assert third.maskings.GetNumberOfRows() == 16
    assert third.chart.GetNumberOfPlotSeriesNodes() == 1


def test_a_deleted_table_is_made_again_alone(scene):
    nodes = results.show(scene, examination())
    others = set(names(scene)) - {nodes.maskings.GetID()}
    scene.RemoveNode(nodes.maskings)
    again = results.show(scene, examination())
    assert set(names(scene)) == others | {again.maskings.GetID()}
    assert again.series.GetTableNode() is again.maskings


def test_saved_scene_gives_the_result_back(scene, tmp_path):
    shown = examination(
        warnings=('µ "quoted"; tab\there', "line\nbreak"), identifier="Ünal <1> & Söhne"
    )
    tricky = dataclasses.replace(shown.rois[0], warnings=('a "b"\tc\nd', '"whole"'))
    shown = dataclasses.replace(shown, rois=(tricky, *shown.rois[1:]))
    nodes = results.show(scene, shown)
    nodes.text.SetAttribute(results.FINGERPRINT, '{"a": "b; c:d \\"e\\" ü%"}')
    ids = names(scene)
    saved_and_read(scene, tmp_path)
    # The tables as they are in the file: whole rows, typed columns, numbers to six digits.
    table = results.find(scene).GetNodeReference("MRN.Maskings")
    expected = [round(row.probability_pd, 2) for row in shown.masking]
    assert column(table, "probability_pd") == pytest.approx(expected)
    assert kinds(table)["flips"] == "bit"
    table = results.find(scene).GetNodeReference("MRN.Rois")
    read = [column(table, name) for name in ("name", "box", "slices", "warnings", "notice")]
    found, restored = results.restore(scene)
    assert read == [
        column(restored.rois, name) for name in ("name", "box", "slices", "warnings", "notice")
    ]
    assert found == shown
    assert names(scene) == ids
    assert restored.text.GetAttribute(results.FINGERPRINT) == '{"a": "b; c:d \\"e\\" ü%"}'
    changes = [round(row.change, 2) for row in shown.masking]
    assert column(restored.maskings, "change") == pytest.approx(changes)
    assert restored.series.GetTableNode() is restored.maskings
    assert restored.chart.GetPlotSeriesNode() is restored.series
    assert restored.biomarkers.GetLocked()
    assert restored.chart.GetXAxisTitle().endswith(NOTICE)


def hierarchy_of(scene):
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def parents(scene, nodes):
    """The subject hierarchy's name of what each node of a result lies under."""
    hierarchy = hierarchy_of(scene)
    items = [hierarchy.GetItemByDataNode(getattr(nodes, part)) for part in PARTS]
    assert all(items)
    return {hierarchy.GetItemName(hierarchy.GetItemParent(item)) for item in items}


def in_study(scene, name):
    """A volume under a study of its own."""
    hierarchy = hierarchy_of(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), name)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    hierarchy.CreateItem(study, volume)
    return volume


def test_result_lies_under_the_study_of_its_volume(scene):
    first, second = in_study(scene, "first visit"), in_study(scene, "second visit")
    nodes = results.show(scene, examination(), beside=first)
    assert parents(scene, nodes) == {"first visit"}
    nodes = results.show(scene, examination(), beside=second)
    assert parents(scene, nodes) == {"second visit"}


def test_restored_result_lies_where_it_was(scene, tmp_path):
    results.show(scene, examination(), beside=in_study(scene, "first visit"))
    saved_and_read(scene, tmp_path)
    scene.RemoveNode(results.find(scene).GetNodeReference("MRN.Maskings"))  # it is made again
    assert parents(scene, results.restore(scene)[1]) == {"first visit"}


def test_result_without_a_hierarchy(scene, monkeypatch):
    """As in a front end that leaves the module out."""
    import slicer

    none = types.SimpleNamespace(GetSubjectHierarchyNode=lambda scene: None)
    monkeypatch.setattr(slicer, "vtkMRMLSubjectHierarchyNode", none)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert results.show(scene, examination(), beside=volume).maskings.GetNumberOfRows() == 16


def test_result_of_a_volume_without_a_study(scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    nodes = results.show(scene, examination(), beside=volume)
    hierarchy = hierarchy_of(scene)
    item = hierarchy.GetItemByDataNode(nodes.maskings)
    assert hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID()


def test_restoring_leaves_the_names(scene, tmp_path):
    results.show(scene, examination(), "Second visit")
    saved_and_read(scene, tmp_path)
    _, nodes = results.restore(scene)
    assert nodes.text.GetName() == "Second visit"
    assert nodes.rois.GetName() == "Second visit ROIs (research use only)"


def test_scene_without_a_result(scene):
    scene.AddNewNodeByClass("vtkMRMLTextNode", "MRN result")
    assert results.restore(scene) is None


def test_result_that_cannot_be_read_is_said(scene):
    nodes = results.show(scene, examination())
    nodes.text.SetText(to_json(examination()).replace('"folds"', '"votes"'))
    with pytest.raises(InputError, match="cannot be read") as caught:
        results.restore(scene)
    assert "run the diagnosis again" in str(caught.value)
    nodes.text.SetText("no JSON")
    with pytest.raises(InputError, match="cannot be read"):
        results.restore(scene)


def test_missing_package_is_said(scene, monkeypatch):
    results.show(scene, examination())
    monkeypatch.setitem(sys.modules, "pydantic", None)
    from MRNLib import examination as module

    module._adapter.cache_clear()
    with pytest.raises(InputError, match="pydantic is not installed"):
        results.restore(scene)
