"""The result's nodes: what people see, where numbers are, and what a saved scene gives back."""

from __future__ import annotations

import dataclasses
import math
import sys
import types

import pytest
from MRNDiagnosisLib import results
from report_helpers import examination

from MRNLib.anatomy import NOTICE
from MRNLib.errors import InputError
from MRNLib.examination import DEMONSTRATION, NO_MEANING, to_json

PARTS = ("text", "maskings", "biomarkers", "rois", "series", "chart")
TABLES = ("maskings", "biomarkers", "rois")


def column(node, name):
    """A column's values as Python's."""
    array = node.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(array.GetNumberOfValues())]


def kinds(node):
    table = node.GetTable()
    columns = [table.GetColumn(n) for n in range(table.GetNumberOfColumns())]
    return {array.GetName(): array.GetDataTypeAsString() for array in columns}


def numbers(values):
    return [math.nan if value is None else value for value in values]


def saved_and_read(scene, tmp_path):
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path, None)
    scene.Clear(0)
    assert results.find(scene) is None
    assert scene.ReadFromMRB(path, True, None)
    return scene


def names(scene):
    kinds = ("vtkMRMLTextNode", "vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")
    found = [scene.GetNodesByClass(kind) for kind in kinds]
    return [c.GetItemAsObject(n).GetID() for c in found for n in range(c.GetNumberOfItems())]


def test_masking_table_holds_the_sixteen_rows(scene):
    shown = examination()
    table = results.show(scene, shown).maskings
    assert column(table, "row") == list(range(16))
    assert column(table, "masked") == ["none", *(", ".join(r.masked) for r in shown.masking[1:])]
    # The headline's two decimals: the table is for people, diagnosis.json has them in full.
    probabilities = column(table, "probability_pd")
    assert probabilities == [round(r.probability_pd, 2) for r in shown.masking]
    assert column(table, "change") == [round(r.change, 2) for r in shown.masking]
    assert not any(math.copysign(1, v) < 0 for v in column(table, "change") if v == 0)
    assert table.GetTable().GetColumnByName("masked") is not None
    assert table.GetColumnTitle("masked") == "Left out"
    assert column(table, "flips") == [int(row.flips) for row in shown.masking]
    assert 0 < sum(column(table, "flips")) < 16
    types = kinds(table)
    assert (types["probability_pd"], types["row"], types["flips"]) == ("double", "int", "bit")


def test_biomarker_table_holds_every_measurement(scene):
    shown = examination()
    table = results.show(scene, shown).biomarkers
    rows = shown.biomarkers
    assert column(table, "nucleus") == [row.nucleus for row in rows]
    assert column(table, "name") == [row.name.replace("_", " ") for row in rows]
    for name in ("value", "published", "z"):
        expected = numbers(getattr(row, name) for row in rows)
        assert column(table, name) == pytest.approx(expected, nan_ok=True, rel=5e-4)
        assert kinds(table)[name] == "double"
    assert set(column(table, "side")) == {"right", "left", "both"}
    flagged = [text for text in column(table, "flags") if text]
    assert len(flagged) == sum(bool(row.flags) for row in rows) > 0


def test_unknown_numbers_are_nan_and_stay_so(scene, tmp_path):
    shown = examination()
    empty = dataclasses.replace(shown.biomarkers[0], value=None, z=None)
    shown = dataclasses.replace(shown, biomarkers=(empty, *shown.biomarkers[1:]))
    table = results.show(scene, shown).biomarkers
    assert math.isnan(column(table, "value")[0])
    saved_and_read(scene, tmp_path)
    again = results.find(scene).GetNodeReference("MRN.Biomarkers")
    assert math.isnan(column(again, "value")[0])
    assert again.GetColumnNullValue("value") == "nan"


def test_roi_table(scene):
    shown = examination()
    table = results.show(scene, shown).rois
    assert column(table, "name") == ["NM", "QSM1", "QSM2", "QSM3"]
    assert column(table, "box") == [row.box for row in shown.rois]
    assert column(table, "size_z") == [row.size_mm[2] for row in shown.rois]
    assert column(table, "present") == [1, 1, 1, 1]
    assert table.GetColumnUnitLabel("size_x") == "mm"
    absent = dataclasses.replace(shown.rois[3], box=None, size_mm=None, present=False, slices=0)
    table = results.show(scene, examination(rois=(*shown.rois[:3], absent))).rois
    assert column(table, "box")[3] == ""
    assert math.isnan(column(table, "size_x")[3])
    assert column(table, "present") == [1, 1, 1, 0]


def test_plot_shows_the_masking_tables_probabilities(scene):
    nodes = results.show(scene, examination())
    series, chart = nodes.series, nodes.chart
    assert series.GetTableNode() is nodes.maskings
    assert series.GetPlotType() == series.PlotTypeBar
    types = kinds(nodes.maskings)
    assert types[series.GetYColumnName()] == "double"
    assert types[series.GetLabelColumnName()] == "string"
    assert column(nodes.maskings, series.GetYColumnName())[0] == 0.8
    assert chart.GetNumberOfPlotSeriesNodes() == 1
    assert chart.GetPlotSeriesNode() is series
    assert chart.GetYAxisRange() == (0.0, 1.0)
    assert not chart.GetEnablePointMoveAlongY()


def test_notice_is_wherever_a_number_is(scene):
    nodes = results.show(scene, examination())
    for part in PARTS:
        assert NOTICE in getattr(nodes, part).GetDescription()
        if part != "text":
            assert "research use only" in getattr(nodes, part).GetName()
    for part in TABLES:
        notices = column(getattr(nodes, part), "notice")
        assert notices
        assert set(notices) == {NOTICE}
    assert NOTICE in nodes.chart.GetXAxisTitle()


def test_demonstration_model_says_that_numbers_have_no_meaning(scene):
    shown = examination(decision=DEMONSTRATION, headline=NO_MEANING, trained_on="phantom")
    nodes = results.show(scene, shown)
    for part in PARTS:
        assert NO_MEANING in getattr(nodes, part).GetDescription()
        if part != "text":
            assert "no meaning for a patient" in getattr(nodes, part).GetName()
    for part in TABLES:
        assert all(NO_MEANING in text for text in column(getattr(nodes, part), "notice"))
    assert nodes.chart.GetTitle() == NO_MEANING


def test_phantom_is_named(scene):
    nodes = results.show(scene, examination(phantom=True))
    assert "phantom" in nodes.chart.GetTitle()
    assert "digital phantom" in nodes.maskings.GetName()
    assert column(nodes.rois, "notice")[0].startswith("Digital phantom")


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
