"""From the records of a cohort to what its page needs.

Ten thousand records are some 400 MB of JSON, so each is read, boiled down to its row and let go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import MASKINGS
from MRNLib.cohort.records import CaseRecord, CohortRecord, read_case
from MRNLib.cohort.report_cases import CaseRow, Cohort, Measure
from MRNLib.errors import InputError

REPORT_FILE = "report.html"


class _Columns:
    """Biomarkers of one case after another, as columns; what a case lacks is NaN."""

    def __init__(self) -> None:
        self.rows = 0
        self.values: dict[Measure, list[float]] = {}
        self.z: dict[Measure, list[float]] = {}
        self.published: dict[Measure, float] = {}
        self.units: dict[Measure, str] = {}

    def add(self, biomarkers: Iterable[Mapping[str, Any]]) -> None:
        """The next case's."""
        for item in biomarkers:
            key = (item["nucleus"], item["side"], item["name"])
            self._put(self.values, key, item["value"])
            if item["z"] is not None:
                self._put(self.z, key, item["z"])
            if item["published"] is not None:
                self.published[key] = item["published"]
            self.units[key] = item["unit"]
        self.rows += 1

    def _put(self, table: dict[Measure, list[float]], key: Measure, value: float | None) -> None:
        column = table.setdefault(key, [])
        column += [float("nan")] * (self.rows - len(column))
        column.append(float("nan") if value is None else value)

    def arrays(self, table: dict[Measure, list[float]]) -> dict[Measure, NDArray[np.float64]]:
        """Each column, as long as there are cases."""
        return {
            key: np.array(column + [float("nan")] * (self.rows - len(column)))
            for key, column in table.items()
        }


def records(out: Path, cohort: CohortRecord) -> Iterator[CaseRecord]:
    """The records of a cohort that are there; one that cannot be read is a failed case."""
    for identifier in cohort.cases:
        try:
            record = read_case(out, identifier)
        except InputError as error:
            record = CaseRecord(
                identifier=identifier,
                subject=identifier,
                state="failed",
                error=str(error),
                seconds=0.0,
            )
        if record is not None:
            yield record


def gather(found: Iterable[CaseRecord], labels: Mapping[str, str]) -> Cohort:
    """Boils records down.

    Args:
        found: The cases, in the order of the page.
        labels: Identifier of a case, or of its subject, to ``HC`` or ``PD``.
    """
    columns, cohort = _Columns(), Cohort([])
    for record in found:
        group = labels.get(record.identifier, labels.get(record.subject))
        cohort.cases.append(_row(record, group))
        if record.diagnosis is not None:
            columns.add(record.diagnosis["biomarkers"])
            _count(cohort, record.diagnosis)
    cohort.values, cohort.z = columns.arrays(columns.values), columns.arrays(columns.z)
    cohort.published, cohort.units = columns.published, columns.units
    return cohort


def _count(cohort: Cohort, diagnosis: Mapping[str, Any]) -> None:
    limits = diagnosis["calibration"]
    cohort.trained_on[diagnosis["trained_on"]] += 1
    cohort.calibrations[
        limits["temperature"], limits["abstain_low"], limits["abstain_high"], limits["source"]
    ] += 1
    for fact, value in _facts(diagnosis["provenance"]).items():
        cohort.facts.setdefault(fact, Counter())[value] += 1


def _row(record: CaseRecord, group: str | None) -> CaseRow:
    found = record.diagnosis
    if found is None:
        return CaseRow(
            record.identifier, record.subject, record.error, group, record.seconds or None
        )
    masking = {tuple(row["masked"]): row for row in found["masking"]}
    rows = [masking[masked] for masked in MASKINGS if masked in masking]
    flags = [flag for item in found["biomarkers"] for flag in item["flags"]]
    flags += [f"ROI {roi['name']} is absent" for roi in found["rois"] if not roi["present"]]
    shifts = found["jitter"]
    return CaseRow(
        record.identifier,
        record.subject,
        None,
        group,
        record.seconds,
        found["probability_pd"],
        found["spread"],
        tuple(fold["probability_pd"] for fold in found["folds"]),
        found["decision"],
        found["phantom"],
        tuple(roi["name"] for roi in found["rois"] if roi["masked"]),
        tuple(row["flips"] for row in rows),
        tuple(row["change"] for row in rows),
        (sum(row["flips"] for row in shifts), sum(len(row["probabilities"]) for row in shifts)),
        tuple(dict.fromkeys(flags)),
        tuple(found["warnings"]),
        tuple(_lie(role, one) for role, one in found["provenance"].get("inputs", {}).items()),
        REPORT_FILE in record.files,
    )


def _lie(role: str, source: Mapping[str, Any]) -> str:
    """How a volume lies, in words that are the same for the same protocol."""
    size = " × ".join(str(count) for count in source["size"])
    spacing = " × ".join(f"{step:.2f}" for step in source["spacing"])
    unit = "" if source["scale"] == 1 else f", values × {source['scale']:g}"
    return f"{role}: {size} voxels of {spacing} mm{unit}"


def _facts(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What of a provenance is the same for the cases of one run, unless something changed."""
    bundle = provenance.get("bundle") or {}
    facts = {}
    if bundle:
        facts["bundle"] = f"{bundle['name']} {bundle['version']} ({bundle['sha256'][:12]})"
    for key in ("folds", "device", "precision", "platform"):
        if key in provenance:
            facts[key] = _text(provenance[key])
    for key, value in (provenance.get("parameters") or {}).items():
        if key not in ("bundle", "device", "precision", "folds"):
            facts[f"setting · {key}"] = _text(value)
    for key, value in (provenance.get("versions") or {}).items():
        facts[f"version · {key}"] = _text(value)
    return facts


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no", None: "as the bundle"}.get(value, str(value))
