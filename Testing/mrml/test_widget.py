"""The module file and its wiring, run with stand-ins for Qt, on a real scene.

Widgets are made from the .ui file's names and remember what they are given; timers fire when the
test says so. What this does not prove: that PythonQt and Slicer's widgets behave like the
stand-ins. That is for MRNDiagnosis/Testing/Python, inside Slicer.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import types
from pathlib import Path

import pytest
from panel_helpers import FakeRunner
from slicer_stand_ins import (
    MODULE,
    Cursor,
    Module,
    ModuleWidget,
    Node,
    Observing,
    Timer,
    Widget,
    widgets,
)

from MRNLib.examination import to_json


@pytest.fixture
def app(scene, tmp_path, monkeypatch):
    """Stand-ins for what Slicer's application brings, in slicer-core's ``slicer``."""
    import slicer

    application = types.SimpleNamespace(
        majorVersion=5,
        minorVersion=12,
        mainApplicationPatchVersion=1,
        temporaryPath=str(tmp_path),
        started=[],
    )
    application.connect = lambda signal, handler: application.started.append(handler)
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    base.ScriptedLoadableModule, base.ScriptedLoadableModuleWidget = Module, ModuleWidget
    base.ScriptedLoadableModuleLogic = base.ScriptedLoadableModuleTest = object
    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    wrapper.parameterNodeWrapper = lambda kind: kind
    wrapper.Choice, wrapper.WithinRange = (lambda *values: values), (lambda *values: values)
    words = types.ModuleType("slicer.i18n")
    words.tr, words.translate = (lambda text: text), (lambda context, text: text)
    qt = types.ModuleType("qt")
    qt.QTimer, qt.QLabel = Timer, Widget
    for name, module in {
        "slicer.ScriptedLoadableModule": base,
        "slicer.parameterNodeWrapper": wrapper,
        "slicer.i18n": words,
        "qt": qt,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    panel = Widget()
    for name, value in {
        "VTKObservationMixin": Observing,
        "WaitCursor": Cursor,
        "loadUI": lambda path: panel,
        "childWidgetVariables": lambda widget: widgets(),
        "setSliceViewerLayers": lambda **layers: None,
    }.items():
        monkeypatch.setattr(slicer.util, name, value, raising=False)
    monkeypatch.setattr(slicer, "app", application, raising=False)
    return application


@pytest.fixture
def module(app):
    spec = importlib.util.spec_from_file_location("MRNDiagnosis", MODULE / "MRNDiagnosis.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def runner(monkeypatch):
    from MRNDiagnosisLib import jobs

    made = FakeRunner()
    monkeypatch.setattr(jobs, "SlicerRunner", made)
    return made


@pytest.fixture
def widget(module, scene, runner, monkeypatch):
    import slicer

    behind = slicer.vtkMRMLScriptedModuleNode()
    scene.AddNode(behind)
    chosen = Node()
    chosen.parameterNode = behind
    monkeypatch.setattr(module.MRNDiagnosisLogic, "getParameterNode", lambda self: chosen)
    made = module.MRNDiagnosisWidget()
    made.setup()
    chosen.modified = made.on_chosen
    yield made
    made.cleanup()


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


def test_failed_install(widget):
    from MRNLib.errors import InputError

    def refuse():
        raise InputError("Slicer's PyTorch extension is not installed.")

    setup = widget.parts["setup"]
    setup._tools = refuse
    widget.ui.installButton.emit()
    assert "PyTorch extension" in widget.ui.setupLabel.text
    assert widget.session.runs.task == ""


@pytest.mark.parametrize(
    "error", [RuntimeError("only supported on the main thread"), ValueError(), KeyError("torch")]
)
def test_an_installer_that_raises_anything_is_said_in_the_panel(widget, error, caplog):
    def fail():
        raise error

    widget.parts["setup"]._tools = fail
    widget.ui.installButton.emit()
    assert "The installation failed" in widget.ui.setupLabel.text
    assert (str(error) or "ValueError()") in widget.ui.setupLabel.text
    assert "Traceback" in caplog.text
    assert widget.session.runs.task == ""


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


def test_models(widget, runner):
    ui = widget.ui
    ui.addBundleUrlButton.emit()
    assert "Name the folder" in ui.statusLabel.text
    ui.bundleUrlLineEdit.text = "https://example.org/bundle.zip"
    ui.bundleHashLineEdit.text = "0" * 64
    ui.addBundleUrlButton.emit()
    assert runner.started[-1][:3] == ["bundle", "add", "https://example.org/bundle.zip"]
    runner.finish(bundle="another")
    assert widget.session.chosen.bundle == "another"
    assert ui.bundleComboBox.given["addItems"][-1] == "another"
    ui.showCardButton.emit("toggled(bool)", True)
    assert ui.cardTextBrowser.visible is True
    assert "not on this computer" in ui.cardTextBrowser.plainText


def test_a_changed_card_is_not_shown(widget, random_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("MRN_BUNDLES", str(tmp_path))
    folder = shutil.copytree(random_bundle, tmp_path / "random")
    ui, chosen = widget.ui, widget.session.chosen
    chosen.bundle = "random"
    ui.showCardButton.emit("toggled(bool)", True)
    assert ui.cardTextBrowser.markdown == (folder / "docs" / "README.md").read_text("utf-8")
    (folder / "docs" / "README.md").write_text("# Approved for clinical use")
    ui.showCardButton.emit("toggled(bool)", True)
    assert "SHA-256 differs" in ui.cardTextBrowser.plainText


def test_export_says_where(widget, tmp_path):
    ui = widget.ui
    ui.exportJsonButton.emit()
    assert "Choose the folder" in ui.exportLabel.text
    ui.exportPathLineEdit.currentPath = str(tmp_path)
    ui.exportJsonButton.emit()
    assert "no result yet" in ui.exportLabel.text


def test_leaving_and_coming_back_keeps_what_runs(widget, runner, phantom_case):
    from MRNDiagnosisLib import volumes, work

    session = widget.session
    session.chosen.qsm = volumes.load(session.scene, phantom_case.qsm, "QSM")
    session.chosen.nm = volumes.load(session.scene, phantom_case.nm, "NM")
    work.segment(session)
    widget.exit()
    widget.enter()
    assert session.runs.task == "segment"
    assert not session.runs.cancelling


def test_cleanup_removes_what_was_derived_from_patients(module, widget):
    folder = widget.session.folder
    assert folder.is_dir()
    widget.cleanup()
    assert not folder.exists()


def test_cleanup_during_a_run_leaves_nothing(module, widget, runner, phantom_case, tmp_path):
    from MRNDiagnosisLib import sample_data, volumes, work

    session = widget.session
    session.chosen.qsm = volumes.load(session.scene, phantom_case.qsm, "QSM")
    session.chosen.nm = volumes.load(session.scene, phantom_case.nm, "NM")
    work.segment(session)
    files = Path(runner.option("cancel-file")).parent
    assert files.parent == session.folder
    widget.cleanup()
    assert runner.killed == 1
    assert not session.folder.exists()
    runner.finish(130)  # Slicer hears of the end after the panel is gone
    assert session.runs.task == ""
    widget._begin()
    work.make_demo(widget.session, sample_data.SAMPLES[0])
    assert Path(runner.option("out")).parent == widget.session.folder


def test_what_an_earlier_slicer_left_is_removed(widget, tmp_path):
    import os
    import subprocess

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [tmp_path / f"mrn-{kind}-{ended.pid}-x" for kind in ("session", "job", "demo")]
    others = [tmp_path / f"mrn-session-{os.getpid()}-x", tmp_path / "mrn-notes"]
    for folder in (*left, *others):
        folder.mkdir()
        (folder / "QSM.nrrd").touch()
    widget.cleanup()
    widget._begin()
    assert not any(folder.exists() for folder in left)
    assert all(folder.exists() for folder in others)


class Loop:
    """qt.QEventLoop, at whose start something happens."""

    def __init__(self):
        self.left = False

    def quit(self):
        self.left = True

    def exec_(self):
        Loop.meanwhile()
        assert self.left


@pytest.fixture
def demo(app, scene, monkeypatch):
    """The function behind a demo patient's button in Sample Data, with a fake program."""
    import slicer
    from MRNDiagnosisLib import packages, runners, sample_data

    made = FakeRunner()
    monkeypatch.setattr(runners, "SlicerRunner", made)
    monkeypatch.setattr(packages, "missing", list)
    monkeypatch.setattr(sys.modules["qt"], "QEventLoop", Loop, raising=False)
    monkeypatch.setattr(slicer, "app", app, raising=False)
    app.disconnect = lambda signal, handler: app.started.remove(handler)
    return sample_data._Downloader(sample_data.SAMPLES[0]), made, app


def test_sample_data_waits_without_spinning(demo, phantom_case):
    download, made, app = demo

    def finish():
        folder = Path(made.option("out")) / "PHM_1"
        folder.mkdir(parents=True)
        for role, path in (("QSM", phantom_case.qsm), ("NM", phantom_case.nm)):
            (folder / f"{role}.nii.gz").write_bytes(Path(path).read_bytes())
        made.finish(folder=str(folder.parent))

    Loop.meanwhile = finish
    nodes = download()
    assert [node.GetName()[-3:] for node in nodes] == ["QSM", " NM"]
    assert app.started == []
    assert list(Path(app.temporaryPath).glob("mrn-*")) == []


def test_sample_data_says_what_went_wrong_and_ends_with_slicer(demo, monkeypatch):
    from MRNDiagnosisLib import sample_data

    from MRNLib.errors import InputError

    download, made, app = demo

    def refuse(scene, case, sample):
        raise InputError("the volume cannot be read")

    monkeypatch.setattr(sample_data, "show", refuse)
    monkeypatch.setattr(sample_data, "read_cohort", lambda folder: ["a case"])
    Loop.meanwhile = lambda: made.finish(folder="")
    with pytest.raises(InputError, match="the volume cannot be read"):
        download()
    Loop.meanwhile = lambda: [leave() for leave in app.started]  # Slicer is quit
    with pytest.raises(InputError, match="was not made"):
        download()
    assert made.killed == 1
    assert list(Path(app.temporaryPath).glob("mrn-*")) == []
