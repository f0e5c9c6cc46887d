"""Demo patients made by the real program, and one that is cancelled on the way."""

from __future__ import annotations

import tempfile
import time

import pytest
from MRNDiagnosisLib.jobs import ProcessRunner
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
