"""Tasks given to Dask's workers, no more at once than they can run."""

from __future__ import annotations

import math
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from MRNLib.cluster.tasks import Outcome, SomeTask, Task, Watcher, Work
from MRNLib.errors import Cancelled, InputError

if TYPE_CHECKING:
    from distributed import Client, Future

# Between two looks for a wish to stop, and between two reports of progress.
REPORT_SECONDS = 0.5
POLL_SECONDS = 0.2
# Between looks at how many workers there are.
ROOM_SECONDS = 2.0
# How long there may be none: starting one takes long on a busy machine.
LOST_SECONDS = 180.0
# Tasks that take less than this are given out two for each place, so that no worker waits for one.
BRIEF_SECONDS = 1.0
KILLER = "its worker processes died again and again (out of memory?)"


class NoWorkers(Exception):
    """The local cluster has none left: Dask starts no worker again that dies as it starts."""


class TaskQueue(Generic[SomeTask]):
    """Gives tasks to a scheduler, no more at once than its workers can run.

    A task that waits on a worker counts as a reason when that worker dies. Where brief ones wait,
    one that is given up for that is tried once more, and none waits from then on. A scheduler that
    holds a few tasks is as quick with the last of ten thousand as with the first.

    Args:
        client: Of the scheduler.
        work: Runs a task on a worker.
        tasks: What to run.
        stop: A file, seen by all workers, whose appearance asks to stop.
        patient: Wait for workers however long it takes: another's scheduler gets them when it does.
        ahead: Whether brief tasks may wait on a worker.
    """

    def __init__(
        self,
        client: Client,
        work: Work,
        tasks: Sequence[SomeTask],
        *,
        stop: Path,
        patient: bool,
        ahead: bool = True,
    ) -> None:
        self.client, self.patient = client, patient
        self.failed: dict[str, str] = {}
        self._waiting = deque(tasks)
        self._running: dict[Future, tuple[SomeTask, float, bool]] = {}
        self._run = uuid.uuid4().hex[:8]  # another run's tasks may be on the same scheduler
        self._work = OnWorker(work, stop, f"mrn-{self._run}")
        self._places, self._asked, self._seen = 0, -math.inf, time.monotonic()
        self._one_ended = threading.Event()
        self._ahead, self._seconds, self._given = ahead, math.inf, 0

    def run(self, watcher: Watcher) -> None:
        """Until all tasks have ended; the watcher is told of each.

        Raises:
            NoWorkers: There have been none for a while.
            InputError: One failed for a reason that every other would have too.
            Cancelled: From the watcher, or a task was stopped by something else.
        """
        self.client.subscribe_topic(self._work.topic, _reader(watcher))
        while self._waiting or self._running:
            self._look(watcher)
            while self._waiting and len(self._running) < self._room:
                self._submit(self._waiting.popleft())
            self._one_ended.wait(POLL_SECONDS)
            self._one_ended.clear()
            for future in [one for one in self._running if one.done()]:
                task, started, waited = self._running.pop(future)
                outcome, seconds = _ended(future, task.key, time.monotonic() - started)
                if outcome.cause == "deaths" and waited:
                    self._ahead = False
                    self._waiting.appendleft(task)
                else:
                    self._end(outcome, seconds, watcher)
            watcher.pulse()

    @property
    def _room(self) -> int:
        """How many tasks the scheduler may hold: one for each process, two if they are brief."""
        return self._places * (2 if self._ahead and self._seconds < BRIEF_SECONDS else 1)

    def _end(self, outcome: Outcome, seconds: float, watcher: Watcher) -> None:
        if outcome.stopped:  # not asked to by this queue: nobody would do the task again
            raise Cancelled("a task was stopped")
        if outcome.cause == "all":
            raise InputError(outcome.error)
        first = self._seconds == math.inf
        self._seconds = seconds if first else 0.8 * self._seconds + 0.2 * seconds
        watcher.ended(outcome, seconds)
        if outcome.error:
            self.failed[outcome.key] = outcome.error

    @property
    def running(self) -> list[SomeTask]:
        """Tasks that were given to a worker and have not ended."""
        return [task for task, *_ in self._running.values()]

    @property
    def left(self) -> list[SomeTask]:
        """Tasks that have not ended."""
        return [*self.running, *self._waiting]

    @property
    def ended(self) -> bool:
        """Whether nothing runs any more, or nobody is there to run it."""
        return all(future.done() for future in self._running) or not self.client.nthreads()

    def _submit(self, task: SomeTask) -> None:
        # One name for all: the scheduler keeps a statistic of each name for as long as it runs.
        self._given += 1
        name = (self._work.topic, task.key, self._given)
        future = self.client.submit(self._work, task, key=name, pure=False)
        self._running[future] = (task, time.monotonic(), self._room > self._places)
        future.add_done_callback(lambda _: self._one_ended.set())

    def _look(self, watcher: Watcher) -> None:
        """Counts the workers now and then; they come and go."""
        now = time.monotonic()
        if now - self._asked < ROOM_SECONDS:
            return
        places = len(self.client.nthreads())  # of several threads one works
        self._asked, self._places = now, places
        if places:
            self._seen = now
        elif now - self._seen > LOST_SECONDS:
            if not self.patient:
                raise NoWorkers
            watcher.say("the scheduler has no workers; waiting for them")
            self._seen = now


def _ended(future: Future, key: str, elapsed: float) -> tuple[Outcome, float]:
    """How a task ended, and the seconds its last worker spent on it."""
    error = None
    try:
        if future.status == "finished":
            return future.result()
        if future.status == "error":
            error = future.exception()
    except Exception as lost:  # the result went with its worker, and the task was given up
        error = lost
    if type(error).__name__ == "KilledWorker":
        return Outcome(key, KILLER, cause="deaths"), elapsed
    said = f"the scheduler dropped it ({error or future.status})".splitlines()[0]
    return Outcome(key, said, cause="scheduler"), elapsed


@dataclass(frozen=True)
class OnWorker:
    """The work as a worker runs it: it can be asked to stop, and tells how far it is.

    Attributes:
        work: Runs a task.
        stop: See :class:`TaskQueue`.
        topic: Where progress is told.
    """

    work: Work
    stop: Path
    topic: str

    def __call__(self, task: Task) -> tuple[Outcome, float]:
        """How the task ended, and after how many seconds."""
        from distributed import get_worker

        worker, started = get_worker(), time.monotonic()
        looked, told = [-math.inf], [started]

        def report(fraction: float, message: str) -> None:
            now = time.monotonic()
            if now - looked[0] >= REPORT_SECONDS:
                looked[0] = now
                if self.stop.exists():
                    raise Cancelled("asked to stop")
            if now - told[0] >= REPORT_SECONDS:
                told[0] = now
                worker.log_event(self.topic, [task.key, fraction, message])

        outcome = self.work(task, report, worker_number(worker.name))
        return outcome, time.monotonic() - started


def worker_number(name: object) -> int:
    """Which worker this is: a local cluster calls them 0 and up, dask-jobqueue NAME-0 and up."""
    found = re.fullmatch(r"(?:[^:]*-)?([0-9]+)", str(name))
    return int(found[1]) if found else 0


def _reader(watcher: Watcher) -> Any:
    def read(event: Any) -> None:
        key, fraction, message = event[1]
        watcher.progress(key, fraction, message)

    return read
