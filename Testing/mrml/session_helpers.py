"""What the tests of a session look at, and the files that a run of the fake program leaves."""

from __future__ import annotations

from pathlib import Path

from MRNDiagnosisLib.facts import facts_of
from MRNDiagnosisLib.panel import present
from report_helpers import examination

from MRNLib.examination import to_json


def masks_of(case) -> dict[str, Path]:
    return {"QSM_mask.nii.gz": case.qsm_mask, "NM_mask.nii.gz": case.nm_mask}


def written(folder: Path, **changes) -> Path:
    """A ``diagnosis.json`` of a digital patient."""
    path = folder / "diagnosis.json"
    path.write_text(to_json(examination(phantom=True, **changes)), encoding="utf-8")
    return path


def state(session):
    return present(facts_of(session))


def text(session, name: str) -> str:
    return state(session).lines[name].text
