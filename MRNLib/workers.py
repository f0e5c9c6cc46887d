"""Worker processes that leave Ctrl-C to the process that started them.

A terminal sends Ctrl-C to every process of a command. Only the first of them can end the work in
order and say so; a worker would print a traceback for each patient it was at.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from MRNLib.errors import InputError

Job = TypeVar("Job")
Done = TypeVar("Done")


def ignore_interrupts() -> None:
    """Makes this process deaf to Ctrl-C: for the initialiser of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def starting_workers() -> Iterator[None]:
    """Processes started in the block are deaf to Ctrl-C from their first moment.

    An initialiser runs only after a spawned worker has imported what it needs, which takes seconds
    with torch; an ignored signal, on the other hand, stays ignored in a new process. Without effect
    outside the main thread, where signals cannot be set.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def in_processes(
    work: Callable[[Job], Done],
    jobs: Iterable[Job],
    workers: int,
    start: Callable[[], None] = ignore_interrupts,
) -> Generator[Done, None, None]:
    """What ``work`` makes of each job, as it is ready; closed early, nothing new is begun.

    Args:
        work: Importable by the workers, like all it is given.
        jobs: What to do.
        workers: How many processes.
        start: Begins a worker; it too should call :func:`ignore_interrupts`.

    Raises:
        InputError: A worker died.
    """
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("spawn"), start) as pool:
        with starting_workers():  # the pool starts a worker as it is given work
            futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "A worker process was ended from outside, perhaps for want of memory.",
                remedy="give fewer --workers",
            ) from error
        except BaseException:
            # What is under way ends by itself; the rest is for the next call.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
