"""Cells given to Dask's workers, no more at once than they can run."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from MRNLib.experiments.board import Board
from MRNLib.experiments.results import Job
from MRNLib.experiments.running import Outcome, run_cell

if TYPE_CHECKING:
    from distributed import Client, Future

TOPIC = "mrn-cells"
REPORT_SECONDS = 0.5
POLL_SECONDS = 0.2
# Between looks at how many workers there are.
ROOM_SECONDS = 2.0
# How long there may be none: starting one takes long on a busy machine.
LOST_SECONDS = 180.0
KILLER = "its worker processes died again and again (out of memory?)"


class NoWorkers(Exception):
    """The local cluster has none left: Dask starts no worker again that dies as it starts."""


class CellQueue:
    """Gives cells to a scheduler, no more at once than its workers can run.

    A cell that waits on a worker would count as a reason when that worker dies.

    Args:
        client: Of the scheduler.
        jobs: Cells to run.
        patient: Wait for workers however long it takes: another's scheduler gets them when it does.
    """

    def __init__(self, client: Client, jobs: Sequence[Job], patient: bool) -> None:
        self.client, self.patient = client, patient
        self.failed: dict[str, str] = {}
        self._waiting = list(jobs)
        self._running: dict[Future, tuple[Job, float]] = {}
        self._run = uuid.uuid4().hex[:8]  # another run's cells may be on the same scheduler
        self._places, self._asked, self._seen = 0, -math.inf, time.monotonic()

    def run(self, board: Board) -> None:
        """Until all cells have ended; a line for each.

        Raises:
            NoWorkers: There have been none for a while.
        """
        while self._waiting or self._running:
            self._look(board)
            while self._waiting and len(self._running) < self._places:
                self._submit(self._waiting.pop(0))
            time.sleep(POLL_SECONDS)
            for future in [one for one in self._running if one.done()]:
                job, started = self._running.pop(future)
                outcome, seconds = _ended(future, job.cell.key, time.monotonic() - started)
                board.ended(outcome, seconds)
                if outcome.error:
                    self.failed[outcome.key] = outcome.error

    @property
    def running(self) -> list[Job]:
        """Cells that were given to a worker and have not ended."""
        return [job for job, _ in self._running.values()]

    @property
    def left(self) -> list[Job]:
        """Cells that have not ended."""
        return [*self.running, *self._waiting]

    @property
    def ended(self) -> bool:
        """Whether nothing runs any more, or nobody is there to run it."""
        return all(future.done() for future in self._running) or not self.client.nthreads()

    def _submit(self, job: Job) -> None:
        name = f"{job.cell.key}-{self._run}"
        future = self.client.submit(run_on_worker, job, key=name, pure=False)
        self._running[future] = (job, time.monotonic())

    def _look(self, board: Board) -> None:
        """Counts the workers now and then; they come and go."""
        now = time.monotonic()
        if now - self._asked < ROOM_SECONDS:
            return
        places = sum(self.client.nthreads().values())
        self._asked, self._places = now, places
        if places:
            self._seen = now
        elif now - self._seen > LOST_SECONDS:
            if not self.patient:
                raise NoWorkers
            board.say("the scheduler has no workers; waiting for them")
            self._seen = now


def _ended(future: Future, key: str, elapsed: float) -> tuple[Outcome, float]:
    """A cell's outcome, and the seconds its last worker spent on it."""
    if future.status == "finished":
        return future.result()
    error = future.exception() if future.status == "error" else None
    if type(error).__name__ == "KilledWorker":
        line = KILLER
    else:
        line = f"the scheduler dropped it ({error or future.status})".splitlines()[0]
    return Outcome(key, line), elapsed


def run_on_worker(job: Job) -> tuple[Outcome, float]:
    """Runs on a worker: the cell, its progress sent at most every half second."""
    from distributed import get_worker

    worker, last, started = get_worker(), [0.0], time.monotonic()

    def report(fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - last[0] >= REPORT_SECONDS:
            last[0] = now
            worker.log_event(TOPIC, [job.cell.key, fraction, message])

    return run_cell(job, report, _number(worker.name)), time.monotonic() - started


def _number(name: object) -> int:
    """Which worker this is: a local cluster calls them 0 and up, others what they like."""
    return int(name) if isinstance(name, int | str) and str(name).isdecimal() else 0
