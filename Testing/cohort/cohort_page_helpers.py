"""Made-up cohorts of records for the tests of the cohort's page, as large as wanted."""

from __future__ import annotations

import copy
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from report_helpers import examination

from MRNLib.cohort import report
from MRNLib.cohort.records import CaseRecord, CohortRecord, write_case, write_cohort
from MRNLib.examination import to_jsonable

BUNDLE = {"name": "made-up", "version": "1", "sha256": "0" * 64, "trained_on": "human"}
SOURCE = {
    "path": "QSM.nii.gz",
    "sha256": "0" * 64,
    "size": [300, 300, 70],
    "spacing": [0.6667, 0.6667, 2.0],
    "origin": [0, 0, 0],
    "direction": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    "pixel_type": "32-bit float",
    "scale": 1.0,
}
PROVENANCE = {
    "created": "2026-11-21T18:12:42+00:00",
    "inputs": {"QSM": SOURCE, "NM": SOURCE},
    "bundle": BUNDLE,
    "parameters": {"bundle": "made-up", "margin_mm": None, "tta": False, "masked": []},
    "folds": [0, 1],
    "device": "cpu",
    "precision": "fp32",
    "versions": {"numpy": "2"},
}
ERRORS = (
    "{id}: no NM file in the folder\nExpected: QSM and NM as .nii.gz\nWhat to do: name the files",
    "/data/ward 7/secret/{id}/QSM.nii.gz: the file is damaged\nWhat to do: copy it again",
    "/home/somebody/scans/{id}/QSM.nii.gz: {number} voxels of another grid",
)


def diagnosis(
    rng: np.random.Generator, identifier: str, pd: bool, **changes: Any
) -> dict[str, Any]:
    """A diagnosis with numbers drawn around the published ones; patients have more iron."""
    found = copy.deepcopy(_base())
    probability = float(1 / (1 + np.exp(-rng.normal(1.2 if pd else -1.2, 1.3))))
    votes = np.clip(probability + rng.normal(0, 0.06, 2), 0, 1)
    found["identifier"], found["probability_pd"] = identifier, float(votes.mean())
    found["folds"] = [{"fold": n, "probability_pd": float(v)} for n, v in enumerate(votes)]
    found["spread"] = float(np.std(votes))
    mean = found["probability_pd"]
    found["decision"] = "undecided" if 0.4 < mean < 0.6 else "PD" if mean > 0.5 else "HC"
    for row in found["masking"][1:]:
        masked = float(np.clip(mean + rng.normal(0, 0.12 * len(row["masked"])), 0, 1))
        row.update(
            probability_pd=masked, change=masked - mean, flips=(masked >= 0.5) != (mean >= 0.5)
        )
    for item in found["biomarkers"]:
        _draw(rng, item, pd)
    return {**found, **changes}


_BASE: list[dict[str, Any]] = []


def _base() -> dict[str, Any]:
    if not _BASE:
        _BASE.append(to_jsonable(examination(provenance=PROVENANCE)))
    return _BASE[0]


def _draw(rng: np.random.Generator, item: dict[str, Any], pd: bool) -> None:
    usual, name = item["published"], item["name"]
    item["flags"] = []
    if name == "volume":
        item["value"] = float((usual or 180) * rng.normal(1, 0.09))
    elif name == "susceptibility_mean":
        more = 14.0 if pd and item["nucleus"] in ("SN", "SNpc") else 0.0
        item["value"] = float(rng.normal((usual or 120) + more, 18))
        item["z"] = None if item["z"] is None else (item["value"] - usual) / 25
    elif name == "nm_contrast":
        item["value"] = float(rng.normal(1.032 if pd else 1.042, 0.008))
    elif name.endswith("asymmetry"):
        item["value"], item["z"] = float(rng.normal(0, 0.04)), None
    elif item["value"] is not None:
        item["value"] = float(abs(rng.normal(60, 15)))


def write_run(
    out: Path,
    diagnoses: dict[str, dict[str, Any]],
    failed: dict[str, str] | None = None,
    waiting: tuple[str, ...] = (),
    trained_on: str = "human",
) -> Path:
    """The folder of a run with these cases, all of them in the records only."""
    names = sorted([*diagnoses, *(failed or {}), *waiting])
    write_cohort(
        out,
        CohortRecord(
            folder="/data/ward 7/secret/cohort A",
            layout="challenge",
            cases=names,
            settings={"given_masks": True, "cache": "/home/somebody/cache"},
            bundle={**BUNDLE, "trained_on": trained_on},
            keep="report",
            mrn="0.1.0",
            started="2026-11-21T18:00:00+00:00",
            continued="2026-11-21T19:00:00+00:00",
        ),
    )
    for name, found in diagnoses.items():
        record = CaseRecord(
            identifier=name,
            subject=name.split("_ses")[0],
            state="done",
            seconds=12.5,
            worker="0 on host",
            identity="x",
            diagnosis=found,
            files=["report.html", "diagnosis.json"],
        )
        write_case(out, record)
    for name, error in (failed or {}).items():
        record = CaseRecord(
            identifier=name, subject=name, state="failed", error=error, seconds=0.2, worker="0"
        )
        write_case(out, record)
    return out


def made_up(out: Path, number: int, failed: int = 0, seed: int = 0) -> tuple[Path, Path]:
    """A cohort of ``number`` cases, half of them PD, the last ``failed`` failed; and its labels."""
    rng = np.random.default_rng(seed)
    names = [f"RJPD_{n:05d}" for n in range(number)]
    sick = {name: bool(n % 2) for n, name in enumerate(names)}
    done = {name: diagnosis(rng, name, sick[name]) for name in names[: number - failed]}
    wrong = {
        name: ERRORS[n % len(ERRORS)].format(id=name, number=n + 3)
        for n, name in enumerate(names[number - failed :])
    }
    write_run(out, done, wrong)
    labels = out.parent / f"{out.name}_labels.csv"
    lines = [f"{name},{'PD' if pd else 'HC'}" for name, pd in sick.items()]
    labels.write_text("id,diagnosis\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return out, labels


def rows_of(page: str) -> list[list[Any]]:
    """The table of all cases as the page's script gets it."""
    start = page.index('<script id="data" type="application/json">')
    text = page[page.index(">", start) + 1 : page.index("</script>", start)]
    return json.loads(text)["rows"]


def page(out, **options):
    return report.write(out, **options).read_text(encoding="utf-8")


def plain(text):
    """What a reader sees of the page."""
    text = re.sub(r"<(script|style).*?</\1>", " ", text, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def some(number, seed=1, **changes):
    rng = np.random.default_rng(seed)
    return {f"P{n}": diagnosis(rng, f"P{n}", bool(n % 2), **changes) for n in range(number)}
