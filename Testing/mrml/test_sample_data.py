"""Demo patients: made and cancelled by the real program, and shown in a session."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
from MRNDiagnosisLib import volumes, work
from MRNDiagnosisLib.facts import facts_of
from MRNDiagnosisLib.jobs import ProcessRunner
from MRNDiagnosisLib.panel import present
from MRNDiagnosisLib.sample_data import SAMPLES, Making


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes the first demo patient to its end; nothing may be left in the temporary place."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told, ended = [], []

    def run(on_progress=lambda making: None):
        def done(case, error):
            ended.append((case, error, case is not None and case.qsm.is_file()))

        def progress(fraction, message):
            told.append(message)
            on_progress(making)

        making = Making(SAMPLES[0], on_progress=progress, on_done=done)
        making.start(ProcessRunner())
        limit = time.monotonic() + 120
        while not making.over and time.monotonic() < limit:
            time.sleep(0.02)
        assert set(told) == {"Demo patient (PD) is being made"}
        return ended

    yield run
    assert list(tmp_path.glob("mrn-demo-*")) == []


def test_a_demo_patient_is_there_while_it_is_looked_at(made):
    ((case, error, there),) = made()
    assert error == ""
    assert there
    assert case.diagnosis == "PD"


def test_a_cancelled_demo_patient_is_no_error(made):
    ((case, error, _),) = made(lambda making: making.cancel())
    assert (case, error) == (None, "")


def text(session, name):
    return present(facts_of(session)).lines[name].text


def test_demo_patient(session, runner, phantom_case):
    work.make_demo(session, SAMPLES[0])
    assert runner.started[-1][0] == "phantom"
    assert runner.option("diagnosis") == "PD"
    out = Path(runner.option("out"))
    (out / "PHM_1").mkdir()
    for role, path in (("QSM", phantom_case.qsm), ("NM", phantom_case.nm)):
        (out / "PHM_1" / f"{role}.nii.gz").write_bytes(Path(path).read_bytes())
    runner.finish(folder=str(out))
    assert session.chosen.qsm.GetName() == "Demo patient (PD) QSM"
    assert session.chosen.qsm.GetAttribute(volumes.PHANTOM_ATTRIBUTE) == "1"
    assert not out.exists()
    session.check()
    assert "The grids fit" in text(session, "inputsLabel")


def test_demo_patient_that_could_not_be_made(session, runner):
    work.make_demo(session, SAMPLES[0])
    runner.event("error", text="the disk is full")
    runner.finish(2)
    assert text(session, "statusLabel") == "the disk is full"
    work.make_demo(session, SAMPLES[0])
    runner.finish(folder=runner.option("out"))
    assert "holds no patients" in text(session, "statusLabel")
    assert session.chosen.qsm is None


def test_demo_patient_cancelled(session, runner):
    work.make_demo(session, SAMPLES[1])
    session.runs.cancel()
    assert Path(runner.option("cancel-file")).exists()
    assert runner.killed == 0
    folder = Path(runner.option("out"))
    runner.finish(130)
    assert "Cancelled" in text(session, "statusLabel")
    assert not folder.exists()
    assert session.chosen.qsm is None
