"""Runs cells: several at once by Dask, on this machine or on a cluster, or one after another here.

A cell whose worker process dies is given to another one and goes on from its checkpoint. After
Ctrl-C nothing new is begun and what runs saves itself; finished cells stay.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from MRNLib.errors import Cancelled, InputError
from MRNLib.experiments.board import Board
from MRNLib.experiments.results import Job
from MRNLib.experiments.running import Outcome, run_cell
from MRNLib.workers import ignore_interrupts, starting_workers

if TYPE_CHECKING:
    from distributed import Client, Future

TOPIC = "mrn-cells"
REPORT_SECONDS = 0.5
POLL_SECONDS = 0.2
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
        InputError: Dask is not installed, or there is no scheduler at this address.
    """
    if not jobs:
        return {}
    board.begin([job.cell.key for job in jobs])
    stop = jobs[0].out / f".stop-{uuid.uuid4().hex[:8]}"
    with terminated_like_interrupted(), _client(workers, scheduler, jobs[0].out) as client:
        client.subscribe_topic(TOPIC, _reader(board))
        run = uuid.uuid4().hex[:8]  # another run's futures may be on the same scheduler
        futures = {
            client.submit(
                _on_worker, replace(job, stop=stop), key=f"{job.cell.key}-{run}", pure=False
            ): job.cell.key
            for job in jobs
        }
        try:
            return _collect(futures, board)
        except KeyboardInterrupt:
            _stop(futures, stop)
            raise Cancelled("asked to stop") from None
        finally:
            with contextlib.suppress(OSError):
                stop.unlink(missing_ok=True)


def _collect(futures: Mapping[Future, str], board: Board) -> dict[str, str]:
    """Waits for all cells; a line for each that ends."""
    waiting, failed, started = set(futures), {}, time.monotonic()
    while waiting:
        time.sleep(POLL_SECONDS)
        for future in [one for one in waiting if one.done()]:
            waiting.discard(future)
            outcome, seconds = _ended(future, futures[future], time.monotonic() - started)
            board.ended(outcome, seconds)
            if outcome.error:
                failed[outcome.key] = outcome.error
    return failed


def _ended(future: Future, key: str, elapsed: float) -> tuple[Outcome, float]:
    """A cell's outcome, and the seconds its last worker spent on it."""
    if future.status == "finished":
        return future.result()
    error = future.exception() if future.status == "error" else None
    if type(error).__name__ == "KilledWorker":
        line = f"{DEATHS + 1} worker processes died on it (out of memory?)"
    else:
        line = f"the scheduler dropped it ({error or future.status})".splitlines()[0]
    return Outcome(key, line), elapsed


def _stop(futures: Iterable[Future], stop: Path) -> None:
    """Asks running cells to save themselves and waits for them; cells not begun end at once.

    They are not cancelled: Dask forgets a cancelled one before it has saved.
    """
    stop.touch()
    end = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < end and not all(future.done() for future in futures):
        time.sleep(POLL_SECONDS)


def _on_worker(job: Job) -> tuple[Outcome, float]:
    """Runs on a worker: the cell, its progress sent at most every half second."""
    from distributed import get_worker

    worker, last, started = get_worker(), [0.0], time.monotonic()

    def report(fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - last[0] >= REPORT_SECONDS:
            last[0] = now
            worker.log_event(TOPIC, [job.cell.key, fraction, message])

    return run_cell(job, report), time.monotonic() - started


def _reader(board: Board) -> Callable[[Any], None]:
    def read(event: Any) -> None:
        key, fraction, message = event[1]
        board.progress(key, fraction, message)

    return read


@contextlib.contextmanager
def _client(workers: int, scheduler: str | None, out: Path) -> Iterator[Client]:
    """A client of the given scheduler, or of a local cluster that ends with the block."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "Dask is not installed",
            remedy="pip install 'mrn-diagnosis[scale]', or --workers 0 to run cells one by one",
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"--scheduler {scheduler}: no Dask scheduler answers there",
                expected="an address such as tcp://host:8786",
                remedy="start 'dask scheduler' and 'dask worker' with this MRNLib, or leave the "
                "option out",
            ) from error
        with client:
            yield client
        return
    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.worker.profile.enabled": False,
    }
    with dask.config.set(settings):
        with starting_workers():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                local_directory=str(out / ".dask"),
            )
        with cluster, Client(cluster, set_as_default=False) as client:
            client.register_plugin(_deaf_workers())
            yield client


def _deaf_workers() -> Any:
    """A plugin that leaves Ctrl-C to this process, in workers started again as well."""
    from distributed import WorkerPlugin

    class DeafWorkers(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            ignore_interrupts()

    return DeafWorkers()


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
