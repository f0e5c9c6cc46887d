"""A real MRML scene without the application: slicer-core's nodes, storage and module logics.

What it does not show: Qt, views, the application's file readers, and the subject hierarchy's
plugins, which in Slicer make an item for every node. Where the module's own file is run, stand-ins
take the application's place.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import textwrap
import types

import pytest
from panel_helpers import Chosen, FakeRunner
from slicer_stand_ins import MODULE, Node, application

LOGICS = {
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
}

if str(MODULE) not in sys.path:
    sys.path.insert(0, str(MODULE))


@pytest.fixture(scope="session")
def _application(tmp_path_factory):
    """The scene with its logics, made once; quiet about resources that the wheel does not have."""
    pytest.importorskip("slicer_core")
    import slicer
    import vtk

    folder = str(tmp_path_factory.mktemp("slicer"))
    scene = slicer.vtkMRMLScene()
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(folder)
    cache.SetMRMLScene(scene)
    files = slicer.vtkDataIOManager()
    files.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(files)
    application = slicer.vtkSlicerApplicationLogic()
    application.SetTemporaryPath(folder)
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    modules = types.SimpleNamespace()
    vtk.vtkObject.GlobalWarningDisplayOff()  # the stock terminologies are not in the wheel
    for name, kind in LOGICS.items():
        logic = getattr(slicer, kind)()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic(name, logic)
        module = types.SimpleNamespace(logic=lambda logic=logic: logic)
        setattr(modules, name.lower(), module)
    vtk.vtkObject.GlobalWarningDisplayOn()
    before = slicer.__dict__.get("mrmlScene"), slicer.__dict__.get("modules")
    slicer.mrmlScene, slicer.modules = scene, modules
    yield types.SimpleNamespace(scene=scene, logic=application, files=files, cache=cache)
    slicer.mrmlScene, slicer.modules = before


@pytest.fixture
def scene(_application):
    """An empty scene that is ``slicer.mrmlScene``, with a subject hierarchy node."""
    import slicer

    _application.scene.Clear(0)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(_application.scene)
    yield _application.scene
    _application.scene.Clear(0)


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """A temporary place of the test's own, in which nothing may be left."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    yield place
    assert list(place.iterdir()) == []


@pytest.fixture
def program(tmp_path):
    """A runner of a small Python program; its source finds the cancel file as ``cancel``."""

    from MRNDiagnosisLib.jobs import ProcessRunner

    def write(source):
        path = tmp_path / "program.py"
        start = """
            import json, os, subprocess, sys, time
            options = dict(a.split("=", 1) for a in sys.argv if a.startswith("--") and "=" in a)
            cancel = options["--cancel-file"]
        """
        path.write_text(textwrap.dedent(start) + textwrap.dedent(source))
        return ProcessRunner([sys.executable, "-u", str(path)])

    return write


@pytest.fixture
def runner():
    return FakeRunner()


@pytest.fixture
def session(scene, tmp_path, runner):
    from MRNDiagnosisLib.session import Session

    folder = tmp_path / "session"
    folder.mkdir()
    made = Session(scene, folder, runner)
    made.choose(Chosen())
    yield made
    made.choose(None)


@pytest.fixture
def patient(session, phantom_case):
    """A digital patient in the scene, chosen."""
    from MRNDiagnosisLib import volumes

    session.chosen.qsm = volumes.load(session.scene, phantom_case.qsm, "QSM")
    session.chosen.nm = volumes.load(session.scene, phantom_case.nm, "NM")
    return phantom_case


@pytest.fixture
def outlined(session, patient, runner):
    from MRNDiagnosisLib import work
    from session_helpers import masks_of

    work.segment(session)
    runner.finish_with(masks_of(patient))
    return patient


@pytest.fixture
def diagnosed(session, outlined, runner, tmp_path):
    from MRNDiagnosisLib import work
    from session_helpers import masks_of, written

    work.diagnose(session)
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(outlined))
    return outlined


@pytest.fixture
def app(scene, tmp_path, monkeypatch):
    """The application and its modules, replaced for the length of a test."""
    return application(tmp_path, monkeypatch)


@pytest.fixture
def module(app):
    """The module's file, loaded anew."""
    spec = importlib.util.spec_from_file_location("MRNDiagnosis", MODULE / "MRNDiagnosis.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def widget(module, scene, runner, monkeypatch):
    """The module's panel, set up; what it starts goes to ``runner``."""
    import slicer
    from MRNDiagnosisLib import jobs

    behind = slicer.vtkMRMLScriptedModuleNode()
    scene.AddNode(behind)
    chosen = Node()
    chosen.parameterNode = behind
    monkeypatch.setattr(jobs, "SlicerRunner", runner)
    monkeypatch.setattr(module.MRNDiagnosisLogic, "getParameterNode", lambda self: chosen)
    made = module.MRNDiagnosisWidget()
    made.setup()
    chosen.modified = made.on_chosen
    yield made
    made.cleanup()


@pytest.fixture
def world(monkeypatch):
    """Makes Slicer's Python with chosen versions of packages."""
    from dependency_helpers import World

    return lambda **versions: World(monkeypatch, **versions)
