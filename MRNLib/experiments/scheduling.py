"""Runs cells: several at once by Dask, on this machine or on a cluster, or one after another here.

A cell whose worker process dies is given to another one and goes on from its checkpoint. After
Ctrl-C nothing new is begun and what runs saves itself; finished cells stay.
"""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from MRNLib.errors import Cancelled, InputError
from MRNLib.experiments.board import Board
from MRNLib.experiments.cellqueue import KILLER, POLL_SECONDS, TOPIC, CellQueue, NoWorkers
from MRNLib.experiments.cluster import connected
from MRNLib.experiments.results import Job
from MRNLib.experiments.running import Outcome, run_cell
from MRNLib.training.interruption import terminated_like_interrupted

# How often a local cluster that lost its workers is made anew when no cell can be the reason.
CLUSTERS = 3
NOBODY = ""
# How often all workers may be lost while a cell runs.
LOSSES = 2
# How long running cells have to save themselves after Ctrl-C.
GRACE_SECONDS = 120.0
# Deaths of workers after which a cell counts as the reason.
DEATHS = 3


def run_here(jobs: Sequence[Job], board: Board) -> dict[str, str]:
    """Runs cells one after another in this process.

    Returns:
        Why cells failed, by key.

    Raises:
        Cancelled: Somebody asked to stop.
    """
    board.begin([job.cell.key for job in jobs])
    failed = {}
    with terminated_like_interrupted():
        for job in jobs:
            started, key = time.monotonic(), job.cell.key
            outcome = run_cell(job, functools.partial(board.progress, key))
            if outcome.stopped:
                raise Cancelled("asked to stop")
            board.ended(outcome, time.monotonic() - started)
            if outcome.error:
                failed[key] = outcome.error
    return failed


def run_with_dask(
    jobs: Sequence[Job], board: Board, *, workers: int = 1, scheduler: str | None = None
) -> dict[str, str]:
    """Runs cells on Dask's workers.

    Args:
        jobs: Cells; their folders must be the same for all workers.
        board: Where progress is shown.
        workers: Processes of the local cluster, of ``job.threads`` threads each.
        scheduler: Address of a running scheduler instead, such as ``tcp://host:8786``.

    Returns:
        Why cells failed, by key.

    Raises:
        Cancelled: Ctrl-C or SIGTERM; what ran has saved itself.
        InputError: Dask is not installed, there is no scheduler at this address, or no worker
            process stays alive.
    """
    if not jobs:
        return {}
    board.begin([job.cell.key for job in jobs])
    stop = jobs[0].out / f".stop-{uuid.uuid4().hex[:8]}"
    left = [replace(job, stop=stop) for job in jobs]
    failed: dict[str, str] = {}
    losses: Counter[str] = Counter()
    try:
        with terminated_like_interrupted():
            while left:
                with connected(workers, scheduler, stop.parent, DEATHS) as client:
                    client.subscribe_topic(TOPIC, _reader(board))
                    queue = CellQueue(client, left, patient=scheduler is not None)
                    try:
                        queue.run(board)
                    except NoWorkers:
                        board.say("no worker process is left; starting them again")
                    except KeyboardInterrupt:
                        _stop(queue, stop)
                        raise Cancelled("asked to stop") from None
                failed |= queue.failed
                losses.update(job.cell.key for job in queue.running)
                left = _without_killers(queue, losses, failed, board)
    finally:
        with contextlib.suppress(OSError):
            stop.unlink(missing_ok=True)
    return failed


def _without_killers(
    queue: CellQueue, losses: Counter[str], failed: dict[str, str], board: Board
) -> list[Job]:
    """What is left to run; a cell that ran when all workers were lost, twice, has failed.

    Raises:
        InputError: Workers were lost again and again without running anything.
    """
    left = queue.left
    if left and not queue.running:
        losses[NOBODY] += 1
        if losses[NOBODY] >= CLUSTERS:
            raise InputError(
                "worker processes do not start, or die before they have a cell",
                remedy="see whether the machine has memory left, or give --workers 0 to run the "
                "cells one by one in this process",
            )
    for job in left:
        if losses[job.cell.key] >= LOSSES:
            failed[job.cell.key] = KILLER
            board.ended(Outcome(job.cell.key, KILLER), 0.0)
    return [job for job in left if job.cell.key not in failed]


def _stop(queue: CellQueue, stop: Path) -> None:
    """Asks running cells to save themselves and waits for them.

    They are not cancelled: Dask forgets a cancelled one before it has saved.
    """
    stop.touch()
    end = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < end and not queue.ended:
        time.sleep(POLL_SECONDS)


def _reader(board: Board) -> Callable[[Any], None]:
    def read(event: Any) -> None:
        key, fraction, message = event[1]
        board.progress(key, fraction, message)

    return read
