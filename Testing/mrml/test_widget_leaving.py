"""The panel is left, closed or found after a crash: what runs, and what lies on disk."""

from __future__ import annotations

import sys
from pathlib import Path


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
