"""A demo patient's button in Sample Data, which has to wait for the program without spinning."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from panel_helpers import FakeRunner


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
