"""Runs tasks: several at once by Dask, on this machine or on a cluster, or one after another here.

A task whose worker process dies is given to another one. After Ctrl-C nothing new is begun, and
what runs is asked to stop and waited for.
"""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from MRNLib.cluster.connection import connected
from MRNLib.cluster.taskqueue import KILLER, POLL_SECONDS, NoWorkers, TaskQueue
from MRNLib.cluster.tasks import Outcome, SomeTask, Watcher, Work
from MRNLib.errors import Cancelled, InputError
from MRNLib.training.interruption import terminated_like_interrupted

# How often a local cluster that lost its workers is made anew when no task can be the reason.
CLUSTERS = 3
NOBODY = ""
# How often all workers may be lost while a task runs.
LOSSES = 2
# Deaths of workers after which a task counts as the reason.
DEATHS = 3


def run_here(tasks: Sequence[SomeTask], work: Work, watcher: Watcher) -> dict[str, str]:
    """Runs tasks one after another in this process.

    Returns:
        Why tasks failed, by key.

    Raises:
        Cancelled: Somebody asked to stop.
        InputError: One failed for a reason that every other would have too.
    """
    watcher.begin([task.key for task in tasks])
    failed = {}
    with terminated_like_interrupted():
        for task in tasks:
            started, key = time.monotonic(), task.key
            outcome = work(task, functools.partial(watcher.progress, key), 0)
            if outcome.stopped:
                raise Cancelled("asked to stop")
            if outcome.cause == "all":
                raise InputError(outcome.error)
            watcher.ended(outcome, time.monotonic() - started)
            if outcome.error:
                failed[key] = outcome.error
            watcher.pulse()
    return failed


def run_with_dask(
    tasks: Sequence[SomeTask],
    work: Work,
    watcher: Watcher,
    *,
    out: Path,
    grace: float,
    workers: int = 1,
    scheduler: str | None = None,
) -> dict[str, str]:
    """Runs tasks on Dask's workers.

    Args:
        tasks: What to run.
        work: Runs a task; what it needs must be the same for all workers.
        watcher: Who is told.
        out: Folder that all workers see under this path.
        grace: Seconds that running tasks have to save themselves when somebody asks to stop.
        workers: Processes of the local cluster, of one thread each.
        scheduler: Address of a running scheduler instead, such as ``tcp://host:8786``.

    Returns:
        Why tasks failed, by key.

    Raises:
        Cancelled: Ctrl-C or SIGTERM; what ran has saved itself, as far as there was time.
        InputError: Dask is not installed, there is no scheduler at this address, no worker process
            stays alive, or a task failed for a reason that every other would have too.
    """
    watcher.begin([task.key for task in tasks])
    stop = out / f".stop-{uuid.uuid4().hex[:8]}"
    left = list(tasks)
    failed: dict[str, str] = {}
    losses: Counter[str] = Counter()
    try:
        with terminated_like_interrupted():
            while left:
                with connected(workers, scheduler, out, DEATHS) as client:
                    queue = TaskQueue(
                        client,
                        work,
                        left,
                        stop=stop,
                        patient=scheduler is not None,
                        ahead=not losses,
                    )
                    try:
                        queue.run(watcher)
                    except NoWorkers:
                        watcher.say("no worker process is left; starting them again")
                    except (KeyboardInterrupt, Cancelled):
                        _stop(queue, stop, grace)
                        raise Cancelled("asked to stop") from None
                    except InputError:
                        _stop(queue, stop, grace)
                        raise
                failed |= queue.failed
                losses.update(task.key for task in queue.running)
                left = _without_killers(queue, losses, failed, watcher)
    finally:
        with contextlib.suppress(OSError):
            stop.unlink(missing_ok=True)
    return failed


def _without_killers(
    queue: TaskQueue[SomeTask], losses: Counter[str], failed: dict[str, str], watcher: Watcher
) -> list[SomeTask]:
    """What is left to run; a task that ran when all workers were lost, twice, has failed.

    Raises:
        InputError: Workers were lost again and again without running anything.
    """
    left = queue.left
    if left and not queue.running:
        losses[NOBODY] += 1
        if losses[NOBODY] >= CLUSTERS:
            raise InputError(
                "worker processes do not start, or die before they have something to do",
                remedy="see whether the machine has memory left, or give --workers 0 to work "
                "in this process",
            )
    for task in left:
        if losses[task.key] >= LOSSES:
            failed[task.key] = KILLER
            watcher.ended(Outcome(task.key, KILLER, cause="deaths"), 0.0)
    return [task for task in left if task.key not in failed]


def _stop(queue: TaskQueue[SomeTask], stop: Path, grace: float) -> None:
    """Asks running tasks to save themselves and waits for them.

    They are not cancelled: Dask forgets a cancelled one before it has saved.
    """
    stop.touch()
    end = time.monotonic() + grace
    while time.monotonic() < end and not queue.ended:
        time.sleep(POLL_SECONDS)
