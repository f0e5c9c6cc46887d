"""The module file and its wiring, run with stand-ins for Qt, on a real scene.

Widgets are made from the .ui file's names and remember what they are given; timers fire when the
test says so. What this does not prove: that PythonQt and Slicer's widgets behave like the
stand-ins. That is for MRNDiagnosis/Testing/Python, inside Slicer.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

from MRNLib.examination import to_json


def test_module_says_who_and_what_it_is(module, app):
    parent = types.SimpleNamespace()
    module.MRNDiagnosis(parent)
    assert parent.title == "Parkinson's MRN Diagnosis"
    assert parent.categories == ["Neuroimaging"]
    assert "Not for clinical use" in parent.helpText
    assert "2509.17566" in parent.acknowledgementText
    assert len(app.started) == 1


def test_startup_registers_demo_patients_and_terms(module, app, monkeypatch):
    registered = []
    logic = types.SimpleNamespace(
        registerCustomSampleDataCategory=lambda category, title: None,
        registerCustomSampleDataSource=lambda **values: registered.append(values),
    )
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    module.MRNDiagnosis(types.SimpleNamespace()).at_startup()
    names = [entry["sampleName"] for entry in registered]
    assert names == ["Demo patient (PD)", "Demo patient (HC)"]
    assert all(callable(entry["customDownloader"]) for entry in registered)
    assert all(Path(entry["thumbnailFileName"]).is_file() for entry in registered)


def test_older_slicer_gets_one_sentence(module, app):
    app.minorVersion = 10
    made = module.MRNDiagnosisWidget()
    made.setup()
    assert made.session is None
    assert "addWidget" in made.layout.given
    made.enter()
    made.exit()
    made.cleanup()


def test_opened_without_data(widget):
    ui = widget.ui
    assert ui.inputsLabel.text.startswith("Choose a QSM")
    assert ui.diagnoseButton.enabled is False
    assert ui.bundleComboBox.given["addItems"] == ["phantom-tiny"]
    assert ui.resultTabs.visible is False


def test_from_volumes_to_result(widget, runner, phantom_case, tmp_path):
    from MRNDiagnosisLib import volumes
    from report_helpers import examination

    ui, session = widget.ui, widget.session
    widget.parts["setup"].missing = ()
    session.chosen.qsm = volumes.load(session.scene, phantom_case.qsm, "QSM")
    session.chosen.nm = volumes.load(session.scene, phantom_case.nm, "NM")
    assert widget.check_timer.started
    widget.on_check()
    assert "The grids fit" in ui.inputsLabel.text
    assert ui.diagnoseButton.enabled is True
    ui.diagnoseButton.emit()
    assert ui.diagnoseButton.enabled is False
    runner.event("progress", fraction=0.25, message="Segmenting QSM")
    assert ui.progressBar.value == 25
    runner.on_line("a line of the log")
    assert ui.logTextEdit.given["appendPlainText"] == "a line of the log"
    result = tmp_path / "diagnosis.json"
    result.write_text(to_json(examination()), encoding="utf-8")
    masks = {"QSM_mask.nii.gz": phantom_case.qsm_mask, "NM_mask.nii.gz": phantom_case.nm_mask}
    runner.finish_with({"diagnosis.json": result} | masks)
    assert ui.headlineLabel.text.startswith("case <1>: P(PD) = 0.80")
    assert ui.diagnoseButton.text == "Diagnose again"
    assert ui.maskingTableView.given["setMRMLTableNode"] is session.nodes.maskings
    notice = session.nodes.maskings.GetNumberOfColumns() - 1
    assert ui.maskingTableView.given["setColumnHidden"] == (notice, True)
    view = ui.maskingPlotWidget.given["setMRMLPlotViewNode"]
    assert view.GetPlotChartNodeID() == session.nodes.chart.GetID()
    ui.editQsmButton.emit()
    given = ui.segmentEditorWidget.given
    assert given["setSegmentationNode"] is session.chosen.qsm_segmentation
    ui.goQSM2Button.emit()
    assert ui.resultTabs.currentIndex == 0
    assert "resizeColumnsToContents" in ui.biomarkerTableView.given
    assert ui.editQsmButton.checked is True
    widget.on_scene_closing(None, None)
    assert ui.editQsmButton.checked is False
    assert ui.qsmShow3DButton.checked is False
    assert ui.maskingTableView.given["setMRMLTableNode"] is None
    assert ui.headlineLabel.text == "No result yet."


def test_swapped_then_exchanged(widget, phantom_case):
    from MRNDiagnosisLib import volumes

    ui, session = widget.ui, widget.session
    session.chosen.qsm = volumes.load(session.scene, phantom_case.nm, "first")
    session.chosen.nm = volumes.load(session.scene, phantom_case.qsm, "second")
    widget.on_check()
    assert "swapped" in ui.inputsLabel.text
    ui.swapButton.emit()
    widget.on_check()
    assert "The grids fit" in ui.inputsLabel.text


def test_export_says_where(widget, tmp_path):
    ui = widget.ui
    ui.exportJsonButton.emit()
    assert "Choose the folder" in ui.exportLabel.text
    ui.exportPathLineEdit.currentPath = str(tmp_path)
    ui.exportJsonButton.emit()
    assert "no result yet" in ui.exportLabel.text
