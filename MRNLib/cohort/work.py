"""One case of a cohort, from its files to its record, in whichever process it is run.

Whatever is the matter with a case's own files becomes its record, so that the others go on. What
would be the matter with every case (a damaged bundle, a folder that cannot be written) is said once
and ends the run.
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from MRNLib.casefiles import Case
from MRNLib.cluster.tasks import Outcome
from MRNLib.cohort.loading import Models, Result, give_memory_back, loaded
from MRNLib.cohort.records import (
    CaseRecord,
    Keep,
    case_file,
    read_case,
    result_folder,
)
from MRNLib.cohort.ticket import put_record, require_ticket
from MRNLib.errors import BundleError, Cancelled, InputError
from MRNLib.examination import to_jsonable
from MRNLib.finished import result_identity
from MRNLib.progress import Progress
from MRNLib.writing import replaced_folder

LOOK_SECONDS = 1.0
# A case that took longer than this is worth the time that giving memory back takes.
TIDY_SECONDS = 1.0
MASKS = ("QSM_mask.nii.gz", "NM_mask.nii.gz")
KEPT: dict[Keep, tuple[str, ...]] = {"report": ("report.html", *MASKS), "masks": MASKS, "none": ()}


@dataclass(frozen=True)
class CaseTask:
    """A case with all that a process needs to run it, wherever it is.

    Attributes:
        key: The case's identifier.
        subject: The person.
        case: The files, absolute.
        out: Absolute folder of the run, seen by all processes under this path.
        models: What diagnoses it.
        keep: What is written beside the record.
        ticket: Name of the run.
        retry_failed: Do a case again that failed with the same files and settings.
    """

    key: str
    subject: str
    case: Case
    out: Path
    models: Models
    keep: Keep
    ticket: str
    retry_failed: bool = False


@dataclass(frozen=True)
class Found:
    """What there is to say of a case that has ended: :attr:`Outcome.value`.

    Attributes:
        state: ``done before`` is what an earlier run did.
        probability_pd: None for a failed case.
        decision: Empty for a failed case.
        note: Why an earlier diagnosis could not be made again.
    """

    state: Literal["done", "done before", "failed"]
    probability_pd: float | None = None
    decision: str = ""
    note: str = ""


# A process has one set of models; a Dask worker with several threads waits here.
_at_work = threading.Lock()


class _Everywhere(Exception):
    """What is wrong for every case."""


def run_case(task: CaseTask, progress: Progress, worker: int) -> Outcome:
    """Runs a case to its record, or takes the one that is there.

    Args:
        task: The case.
        progress: Called with the fraction done and a line; may raise ``Cancelled``.
        worker: Number of this process among those of the machine: says which GPU is its own.
    """
    looked = [-math.inf]

    def report(fraction: float, message: str) -> None:
        if time.monotonic() - looked[0] >= LOOK_SECONDS:
            looked[0] = time.monotonic()
            require_ticket(task.out, task.ticket)
        progress(fraction, message)

    try:
        with _at_work:
            return _run(task, report, worker)
    except (Cancelled, KeyboardInterrupt):
        return Outcome(task.key, stopped=True)
    except (InputError, OSError, _Everywhere) as error:
        return Outcome(task.key, _said(error), cause="all")


def _run(task: CaseTask, report: Progress, worker: int) -> Outcome:
    started = time.monotonic()
    report(0.0, "Looking for an earlier result")
    identity = _identity(task)
    known = _known(task, identity)
    if known is not None:
        return known
    outcome = _new(task, identity, report, worker, started)
    if time.monotonic() - started > TIDY_SECONDS:
        give_memory_back()
    return outcome


def _new(
    task: CaseTask, identity: str | None, report: Progress, worker: int, started: float
) -> Outcome:
    """Diagnoses the case; raises only what is wrong for every other case too."""
    diagnose = loaded(task.models, worker)
    shown: dict[str, Any] | None = None
    files: list[str] = []
    error = None
    _error_file(task).unlink(missing_ok=True)
    try:
        result = diagnose(task.case, report)
        shown = to_jsonable(result.examination)
        json.dumps(shown, allow_nan=False)
        require_ticket(task.out, task.ticket)
        files = _write(task, result)
    except (Cancelled, KeyboardInterrupt, BundleError, _Everywhere):
        raise
    except (InputError, OSError) as problem:
        error = _said(problem) or type(problem).__name__
    except MemoryError:
        error = "the memory of this machine did not suffice for this case"
    except Exception as problem:
        error = _unexpected(task, problem)
    record = CaseRecord(
        identifier=task.key,
        subject=task.subject,
        state="failed" if error else "done",
        error=error,
        seconds=round(time.monotonic() - started, 2),
        worker=f"{worker} on {platform.node()}",
        run=task.ticket,
        identity=identity,
        diagnosis=None if error else shown,
        files=files,
    )
    return conclude(task.out, record, task.ticket)


def conclude(out: Path, record: CaseRecord, ticket: str) -> Outcome:
    """Writes down how a case ended, and says it in short.

    Raises:
        Cancelled: The folder is another run's.
    """
    stands = put_record(out, record, ticket)
    note = "" if stands is record else f"Its earlier diagnosis is kept. {record.error}"
    return outcome_of(stands, ticket, note)


def outcome_of(record: CaseRecord, ticket: str, note: str = "") -> Outcome:
    """What a record says to the run of this name, in short."""
    if record.diagnosis is None:
        return Outcome(record.identifier, record.error or "failed", value=Found("failed"))
    shown = record.diagnosis
    # A record of this run is found where a worker died between writing and telling of it.
    state: Literal["done", "done before"] = "done" if record.run == ticket else "done before"
    found = Found(state, shown["probability_pd"], shown["decision"], note)
    return Outcome(record.identifier, value=found)


def _identity(task: CaseTask) -> str | None:
    try:
        return result_identity(task.case, task.models.parameters, task.models.bundle_sha256)
    except OSError:  # said when the file is read for the diagnosis
        return None


def _known(task: CaseTask, identity: str | None) -> Outcome | None:
    """What an earlier run found out, if it still holds and its files are there."""
    try:
        record = read_case(task.out, task.key)
    except InputError:  # half a disk's worth of trouble later, or edited: it is done again
        return None
    if record is None or record.identity != identity:
        return None
    if record.state == "failed":
        return None if task.retry_failed else outcome_of(record, task.ticket)
    folder = result_folder(task.out, task.key)
    wanted = {*KEPT[task.keep]} <= {*record.files}
    if not wanted or not all((folder / name).is_file() for name in record.files):
        return None
    return outcome_of(record, task.ticket)


def _write(task: CaseTask, result: Result) -> list[str]:
    """Puts what is kept of a case into its place, all of it or none; returns the names."""
    folder = result_folder(task.out, task.key)
    try:
        if task.keep == "none":
            shutil.rmtree(folder, ignore_errors=True)
            return []
        with replaced_folder(folder) as staged:
            kept = result if task.keep == "report" else result.outlines
            return sorted(kept.write(staged))
    except (OSError, InputError) as problem:
        raise _Everywhere(_said(problem)) from problem


def _error_file(task: CaseTask) -> Path:
    """Where an unexpected error is written whole."""
    return case_file(task.out, task.key).with_suffix(".error.txt")


def _unexpected(task: CaseTask, error: Exception) -> str:
    """Writes the whole error down and gives a line of it."""
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    _error_file(task).parent.mkdir(parents=True, exist_ok=True)
    _error_file(task).write_text(traceback.format_exc(), encoding="utf-8")
    return f"{line} (all of it in {_error_file(task)})"


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)
