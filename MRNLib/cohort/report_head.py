"""What stands at the top of the cohort's page and what a reader has to know before the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from MRNLib.cohort.records import CohortRecord
from MRNLib.cohort.report_cases import Cohort
from MRNLib.examination import NO_MEANING
from MRNLib.report import PHANTOM
from MRNLib.report_page import counted, flattened

# Texts with more different values than this are summed up.
FEW = 4
# What does not make other results.
WITHOUT_EFFECT = ("device", "platform", "setting · cache")


def figure_warning(cohort: Cohort) -> str | None:
    """What every chart says along its lower edge."""
    if cohort.demonstration:
        return NO_MEANING
    phantoms = sum(case.phantom for case in cohort.done)
    if phantoms and phantoms == len(cohort.done):
        return PHANTOM.replace("phantom, not a patient", "phantoms, not patients")
    return (
        f"{counted(phantoms)} of the cases are digital phantoms, not patients."
        if phantoms
        else None
    )


def badge(cohort: Cohort) -> str:
    """``digital phantoms``, where they are; empty for patients."""
    phantoms = sum(case.phantom for case in cohort.done)
    if not phantoms:
        return ""
    return (
        "digital phantoms"
        if phantoms == len(cohort.done)
        else f"{counted(phantoms)} of {counted(len(cohort.done))} digital phantoms"
    )


def cautions(cohort: Cohort, record: CohortRecord, labels: Mapping[str, str] | None) -> list[str]:
    """Everything that a reader has to know before trusting a figure of the page."""
    done = cohort.done
    said = [*_unfinished(cohort, record), *_mixed(cohort)]
    degraded = sum(bool(case.left_out) for case in done)
    if degraded:
        said.append(
            f"{_cases(degraded)} without one or more ROIs (missing, or left out on request)."
        )
    repeated = sum(n > 1 for n in Counter(case.subject for case in done).values())
    if repeated:
        said.append(
            f"{counted(repeated)} subjects have more than one examination. Tests and intervals "
            "take the examinations as independent, which these are not."
        )
    if labels is not None:
        said += unmatched_labels(cohort, labels)
    return said


def _unfinished(cohort: Cohort, record: CohortRecord) -> list[str]:
    missing = len(record.cases) - len(cohort.cases)
    if not missing:
        return []
    return [
        f"{counted(missing)} of {counted(len(record.cases))} cases have not been run yet; "
        "'mrn cohort run' goes on."
    ]


def _mixed(cohort: Cohort) -> list[str]:
    """Results that were not made in the same way."""
    said = [cohort.mixture] if cohort.mixture else []
    for fact, values in cohort.facts.items():
        if len(values) > 1 and fact not in WITHOUT_EFFECT:
            what = "; ".join(
                f"{value} ({counted(count)})" for value, count in values.most_common(FEW)
            )
            said.append(f"Not all results were made alike. {fact}: {what}.")
    phantoms = sum(case.phantom for case in cohort.done)
    if 0 < phantoms < len(cohort.done):
        said.append(
            f"{counted(phantoms)} of {counted(len(cohort.done))} cases are digital phantoms."
        )
    return said


def unmatched_labels(cohort: Cohort, labels: Mapping[str, str]) -> list[str]:
    """Which cases have no label or no result, and which labels no case."""
    known = {name for case in cohort.cases for name in (case.identifier, case.subject)}
    strangers = [name for name in labels if name not in known]
    without = sum(case.group is None for case in cohort.cases)
    failed = sum(case.group is not None for case in cohort.failed)
    said = []
    if without:
        said.append(
            f"{_cases(without)} without a label: in no comparison and no measure of accuracy."
        )
    if failed:
        said.append(f"Failed, and therefore in no figure: {_cases(failed)} with a label.")
    if strangers:
        shown = ", ".join(strangers[:FEW]) + (" ..." if len(strangers) > FEW else "")
        said.append(f"Not in this cohort: {_cases(len(strangers))} of the labels' table ({shown}).")
    return said


def _cases(count: int) -> str:
    return f"{counted(count)} case{'' if count == 1 else 's'}"


def moment(text: str) -> str:
    """``2026-11-21 19:00 UTC``; what is no time as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if when.tzinfo is None:
        return f"{when:%Y-%m-%d %H:%M}"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def pace(cohort: Cohort) -> str:
    """How long cases took, in words; empty where it is not known."""
    seconds = np.array([case.seconds for case in cohort.done if case.seconds])
    if not len(seconds):
        return ""
    text = f"{np.median(seconds):.1f} s a case (median)"
    if len(seconds) > 1:
        text += f", at most {seconds.max():.1f} s"
    return text


def origin(cohort: Cohort, record: CohortRecord) -> list[tuple[str, str]]:
    """Lines of the provenance table: what was run, and where results differ, how many each."""
    lines = [
        ("input folder", folder_name(record.folder)),
        ("layout", record.layout),
        ("started", moment(record.started)),
        ("latest run", moment(record.continued)),
        ("mrn", record.mrn),
    ]
    for temperature, low, high, source in cohort.calibrations:
        limits = (
            f"undecided between {low:.2f} and {high:.2f}" if high > low else "no abstain limits"
        )
        lines.append(("calibration", f"temperature {temperature:.3g}; {limits}; {source}"))
    for fact, values in cohort.facts.items():
        shown = values.most_common(FEW)
        text = "; ".join(
            f"{one} ({counted(n)} cases)" if len(values) > 1 else one for one, n in shown
        )
        lines.append((fact, text + (" …" if len(values) > FEW else "")))
    known = {fact.removeprefix("setting · ") for fact in cohort.facts} | {"bundle"}
    settings: dict[str, Any] = {
        key: value for key, value in record.settings.items() if key not in known
    }
    lines += [(f"setting · {name}", folder_name(value)) for name, value in flattened(settings)]
    return lines


def folder_name(path: str) -> str:
    """The last part of a path, which may come from another system; other texts in words."""
    path = {"True": "yes", "False": "no"}.get(path, path)
    for kind in (PureWindowsPath, PurePosixPath):
        if kind(path).is_absolute():
            return kind(path).name or path
    return path
