"""Lines of progress read nothing from the disk; what changes there is seen when a run ends."""

from __future__ import annotations

import pytest
from MRNDiagnosisLib import on_disk, panel_advanced, results
from MRNDiagnosisLib.facts import facts_of
from report_helpers import examination
from slicer_stand_ins import Widget, widgets

from MRNLib.examination import to_json


@pytest.fixture
def read(session, monkeypatch):
    """How often the disk is asked, and what for."""
    found = []
    added, files = on_disk.added_bundles, session.has_files
    monkeypatch.setattr(on_disk, "added_bundles", lambda: found.append("models") or added())
    monkeypatch.setattr(session, "has_files", lambda: found.append("files") or files())
    return found


def test_progress_reads_nothing(session, read, runner):
    session.runs.start("bundle", ["bundle", "list"], lambda result: None)
    facts_of(session)
    read.clear()
    for share in (0.1, 0.2, 0.3):
        runner.event("progress", fraction=share, message="Loading")
        assert facts_of(session).fraction == share
    assert read == []
    session.chosen.bundle = "another"
    facts_of(session)
    assert sorted(read) == ["files", "models"]
    runner.finish(bundle="another")
    read.clear()
    facts_of(session)
    facts_of(session)
    assert len(read) == 4


def test_files_that_a_run_wrote_are_seen_at_its_end(session, runner):
    session.runs.start("diagnose", ["diagnose"], lambda result: None)
    assert not facts_of(session).files
    shown = examination()
    session.result_folder.mkdir(parents=True, exist_ok=True)
    (session.result_folder / "diagnosis.json").write_text(to_json(shown), encoding="utf-8")
    session.result, session.nodes = shown, results.show(session.scene, shown)
    assert facts_of(session).files  # another result is shown
    runner.finish()
    assert facts_of(session).files


def test_the_list_of_models_rests_while_something_runs(session, runner, monkeypatch):
    asked = []
    ui = widgets()
    monkeypatch.setattr(panel_advanced, "installed_bundles", lambda: asked.append(1) or ["a"])
    ui.bundlePathLineEdit = Widget()
    part = panel_advanced.AdvancedPart(ui, session)
    part.update()
    session.runs.start("bundle", ["bundle", "list"], lambda result: None)
    for _ in range(5):
        part.update()
    assert len(asked) == 2
    runner.finish(bundle="a")
    part.update()
    assert len(asked) == 3
