"""Works through a cohort: what is there already, what is left, on which workers.

The same order goes on where an earlier one ended, however it ended: a case's record is there when
all of the case is. One run at a time has the folder; what an earlier one still computes elsewhere
ends when it finds that the folder has changed hands.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
from dataclasses import replace
from pathlib import Path

from MRNLib import __version__
from MRNLib.bundle import Bundle, open_bundle
from MRNLib.cluster.scheduling import run_here, run_with_dask
from MRNLib.cluster.tasks import Outcome
from MRNLib.cohort.board import CohortBoard
from MRNLib.cohort.discovery import Found, Layout
from MRNLib.cohort.ending import conclude, outcome_of
from MRNLib.cohort.loading import Models
from MRNLib.cohort.order import Order, chosen_workers, survey
from MRNLib.cohort.records import (
    CaseRecord,
    CohortRecord,
    find_cohort,
    read_case,
    write_cohort,
)
from MRNLib.cohort.tables import write_tables
from MRNLib.cohort.ticket import alone
from MRNLib.cohort.work import CaseTask, run_case
from MRNLib.errors import InputError
from MRNLib.finished import result_identity
from MRNLib.writing import require_folder

# How long cases in hand have to notice that somebody asked to stop; they are begun anew later.
GRACE_SECONDS = 10.0


def run_cohort(order: Order, board: CohortBoard) -> CohortRecord:
    """Runs what is not done, and writes the tables.

    Raises:
        InputError: The folder, the bundle, a setting or the cluster cannot be used, or the output
            folder has another cohort in it, or another run.
        Cancelled: Somebody asked to stop; the same order goes on. :class:`TakenOver` where another
            run has the folder by now.
    """
    order = _absolute(order)
    require_folder(order.out)
    bundle = open_bundle(order.parameters.bundle)
    for fold in order.parameters.folds:
        bundle.encoder_sha256(fold)  # refuses one that is not there
    board.look("Looking for cases")
    layout, found = survey(order, bundle)
    earlier = find_cohort(order.out)
    _require_same(earlier, order)
    workers = _workers(order, len(found), board)
    with alone(order.out) as ticket:
        record = _begin(order, layout, found, bundle, earlier)
        board.known([_unusable(record, order, one, ticket) for one in found if one.case is None])
        tasks = [_task(record, order, workers, one, ticket) for one in found if one.case]
        watcher = _Recorder(board, {task.key: task for task in tasks})
        if workers == 0 and order.scheduler is None:
            run_here(tasks, run_case, watcher)
        elif tasks:
            board.look("Starting workers" if order.scheduler is None else "Asking the scheduler")
            run_with_dask(
                tasks,
                run_case,
                watcher,
                out=order.out,
                grace=GRACE_SECONDS,
                workers=min(workers, len(tasks)),
                scheduler=order.scheduler,
            )
        board.look("Writing the tables", 1.0)
        write_tables(order.out, record)
    return record


def _absolute(order: Order) -> Order:
    """The order with paths that lead to the same place from any process."""
    parameters = order.parameters
    if Path(parameters.bundle).is_dir():
        parameters = replace(parameters, bundle=str(Path(parameters.bundle).absolute()))
    if parameters.cache is not None:
        parameters = replace(parameters, cache=parameters.cache.absolute())
    return replace(order, out=order.out.absolute(), parameters=parameters)


def _require_same(earlier: CohortRecord | None, order: Order) -> None:
    folder = str(order.folder.absolute())
    if earlier is not None and earlier.folder != folder:
        raise InputError(
            f"holds the results of another cohort, {earlier.folder}",
            file=order.out,
            expected=f"an empty folder, or one of {folder}",
            remedy="name another folder with --out",
        )


def _workers(order: Order, cases: int, board: CohortBoard) -> int:
    if order.workers is None and order.scheduler is None and not _installed("distributed"):
        board.say(
            "Dask is not installed (pip install 'mrn-diagnosis[scale]'): one case after another"
        )
        return 0
    return chosen_workers(order, cases)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _begin(
    order: Order, layout: Layout, found: list[Found], bundle: Bundle, earlier: CohortRecord | None
) -> CohortRecord:
    """Writes down what is run."""
    manifest, now = bundle.manifest, datetime.datetime.now(datetime.UTC).isoformat("T", "seconds")
    record = CohortRecord(
        folder=str(order.folder.absolute()),
        layout=layout,
        cases=[one.identifier for one in found],
        settings=order.settings(),
        bundle={
            "name": manifest.name,
            "version": manifest.version,
            "sha256": bundle.sha256,
            "trained_on": manifest.trained_on,
        },
        keep=order.keep,
        mrn=__version__,
        started=now if earlier is None else earlier.started,
        continued=now,
    )
    write_cohort(order.out, record)
    return record


def _unusable(cohort: CohortRecord, order: Order, found: Found, ticket: str) -> Outcome:
    """The record of a case whose files make none."""
    record = CaseRecord(
        identifier=found.identifier,
        subject=found.subject,
        state="failed",
        error=found.error,
        seconds=0.0,
        settings_hash=cohort.settings_hash,
    )
    with contextlib.suppress(InputError):
        if read_case(order.out, found.identifier) == record:
            return outcome_of(record, ticket)
    return conclude(order.out, record, ticket)


def _task(cohort: CohortRecord, order: Order, workers: int, found: Found, ticket: str) -> CaseTask:
    assert found.case is not None
    here = workers == 0 and order.scheduler is None
    threads = order.threads if here else order.threads or 1
    return CaseTask(
        key=found.identifier,
        subject=found.subject,
        case=found.case,
        out=order.out,
        models=Models(order.parameters, cohort.bundle["sha256"], threads, order.make),
        keep=order.keep,
        ticket=ticket,
        settings_hash=cohort.settings_hash,
        retry_failed=order.retry_failed,
    )


class _Recorder:
    """The board, and the records of cases that nobody lived to write."""

    def __init__(self, board: CohortBoard, tasks: dict[str, CaseTask]) -> None:
        self._board, self._tasks = board, tasks
        self.begin, self.progress = board.begin, board.progress
        self.pulse, self.say = board.pulse, board.say

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """Writes down a case whose workers died; one that the scheduler lost is none of it."""
        if outcome.cause == "scheduler":
            raise InputError(
                f"{outcome.key}: {outcome.error}",
                expected="a scheduler that stays, and workers with the same MRNLib",
                remedy="see to the cluster; the same command goes on",
            )
        if outcome.cause == "deaths":
            outcome = self._record(outcome, seconds)
        self._board.ended(outcome, seconds)

    def _record(self, outcome: Outcome, seconds: float) -> Outcome:
        task = self._tasks[outcome.key]
        identity = None
        with contextlib.suppress(OSError):
            identity = result_identity(task.case, task.models.parameters, task.models.bundle_sha256)
        record = CaseRecord(
            identifier=task.key,
            subject=task.subject,
            state="failed",
            error=outcome.error,
            seconds=round(seconds, 2),
            identity=identity,
            settings_hash=task.settings_hash,
        )
        return conclude(task.out, record, task.ticket)
