"""Worker processes that leave Ctrl-C to the process that started them.

A terminal sends Ctrl-C to every process of a command. Only the first of them can end the work in
order and say so; a worker would print a traceback for each patient it was at.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
