"""The result's tables and plot: what people see in them, and the notice wherever a number is."""

from __future__ import annotations

import dataclasses
import math

import pytest
from MRNDiagnosisLib import results
from report_helpers import examination
from result_helpers import PARTS, TABLES, column, kinds, saved_and_read

from MRNLib.anatomy import NOTICE
from MRNLib.examination import DEMONSTRATION, NO_MEANING


def numbers(values):
    return [math.nan if value is None else value for value in values]


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
