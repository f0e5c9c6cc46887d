"""The workflow with the real Slicer ends by itself: a step that goes wrong is red, and in time."""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = (ROOT / ".github" / "workflows" / "slicer.yml").read_text(encoding="utf-8")
STEPS = re.split(r"^      - ", WORKFLOW.partition("    steps:\n")[2], flags=re.M)[1:]


def test_every_step_has_a_time_limit():
    assert len(STEPS) == 8
    for step in STEPS:
        assert re.search(r"^        timeout-minutes: \d+$", step, re.M), step


def test_scripts_are_there_and_no_code_stands_in_the_workflow():
    """An exception in ``--python-code`` leaves Slicer open."""
    scripts = re.findall(r'--python-script "\$PWD/(\S+?)"', WORKFLOW)
    assert len(scripts) == 3
    assert all((ROOT / script).is_file() for script in scripts)
    assert "--python-code" not in WORKFLOW


def test_the_program_is_needed_where_it_was_installed():
    source = ROOT / "MRNDiagnosis" / "Testing" / "Python" / "MRNDiagnosisPanelTest.py"
    (name,) = re.findall(r'os\.environ\.get\("(\w+)"\)', source.read_text(encoding="utf-8"))
    assert f'{name}: "1"' in STEPS[-1]


@pytest.fixture
def setup(monkeypatch):
    """The set-up script with a Slicer that remembers how it ended."""
    ended = []
    model = types.SimpleNamespace(installExtensionFromServer=lambda name, restart: True)
    application = types.SimpleNamespace(extensionsManagerModel=lambda: model)
    util = types.ModuleType("slicer.util")
    util.exit = ended.append
    slicer = types.ModuleType("slicer")
    slicer.app, slicer.util = application, util
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "slicer.util", util)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("setup", ROOT / ".github" / "slicer_setup.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return types.SimpleNamespace(script=script, model=model, ended=ended)


def test_the_extension_is_installed_without_questions(setup):
    setup.script.main("extension")
    assert setup.ended == [0]
    assert setup.model.interactive is False


def test_an_extension_that_was_not_installed_is_a_failure(setup, capsys):
    setup.model.installExtensionFromServer = lambda name, restart: False
    setup.script.main("extension")
    assert setup.ended == [1]
    assert "was not installed" in capsys.readouterr().err


@pytest.mark.parametrize("error", [RuntimeError("pip"), SystemExit(0), KeyboardInterrupt()])
def test_packages_end_slicer_whatever_happens(setup, error, monkeypatch, capsys):
    from MRNDiagnosisLib import dependencies

    asked = []
    monkeypatch.setattr(dependencies, "slicer_tools", lambda **options: asked.append(options))
    monkeypatch.setattr(dependencies, "install", lambda tools, progress: None)
    setup.script.main("packages")
    assert (setup.ended, asked) == ([0], [{"attended": False}])

    def fail(tools, progress):
        raise error

    monkeypatch.setattr(dependencies, "install", fail)
    setup.script.main("packages")
    assert setup.ended == [0, 1]
    assert type(error).__name__ in capsys.readouterr().err


def test_a_step_that_is_none_is_a_failure(setup):
    setup.script.main("slicer_setup.py")
    assert setup.ended == [1]
