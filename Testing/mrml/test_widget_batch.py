"""The batch's table in the panel, with stand-ins for Qt; see test_widget."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from slicer_stand_ins import (
    Widget,
)


def test_batch(widget, runner, phantom_case, tmp_path, monkeypatch):
    qt = sys.modules["qt"]
    monkeypatch.setattr(qt, "QTableWidgetItem", lambda text: Widget(text), raising=False)
    ui = widget.ui
    ui.batchPathLineEdit.currentPath = str(Path(phantom_case.qsm).parents[1])
    ui.batchOutPathLineEdit.currentPath = str(tmp_path / "out")
    ui.batchStartButton.emit()
    assert ui.batchTable.given["setRowCount"] == 1
    assert widget.session.runs.task == "batch"
    assert "0 of 1 cases done" in ui.batchLabel.text
    runner.finish(probability_pd=0.7, decision="PD", headline="P(PD) = 0.70.", files={})
    assert "1 of 1 cases done" in ui.batchLabel.text
    assert widget.session.runs.task == ""


def test_batch_shows_a_case_without_its_files_as_failed(
    widget, runner, phantom_case, tmp_path, monkeypatch
):
    qt = sys.modules["qt"]
    monkeypatch.setattr(qt, "QTableWidgetItem", lambda text: Widget(text), raising=False)
    cohort = tmp_path / "cohort"
    shutil.copytree(Path(phantom_case.qsm).parent, cohort / "A")
    (cohort / "B").mkdir()
    (cohort / "B" / "QSM.nii.gz").touch()
    ui, items = widget.ui, {}
    ui.batchTable.__dict__["setItem"] = lambda row, column, item: items.update(
        {(row, column): item}
    )
    ui.batchPathLineEdit.currentPath = str(cohort)
    ui.batchOutPathLineEdit.currentPath = str(tmp_path / "out")
    ui.batchStartButton.emit()
    assert items[1, 1].kind == "failed"
    assert "no NM file" in items[1, 0].toolTip
    assert "1 failed" not in ui.batchLabel.text
    runner.finish(probability_pd=0.7, decision="PD", headline="P(PD) = 0.70.", files={})
    assert "1 of 2 cases done, 1 failed" in ui.batchLabel.text
    widget.parts["batch"].open(1)
    assert "no NM file" in ui.statusLabel.text


def test_batch_of_nothing_says_so(widget, tmp_path):
    ui = widget.ui
    ui.batchPathLineEdit.currentPath = str(tmp_path)
    ui.batchOutPathLineEdit.currentPath = str(tmp_path / "out")
    ui.batchStartButton.emit()
    assert "no patients" in ui.batchLabel.text
