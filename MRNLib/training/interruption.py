"""Ctrl-C and SIGTERM ask a training to stop at its next step, so that it can save first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        self.reason: str | None = None

    def ask(self, reason: str | None = None) -> None:
        """Asks to stop at the next step."""
        self.asked = True
        self.reason = reason


@contextmanager
def stop_on_signals(patient: bool = False) -> Iterator[StopRequest]:
    """Turns SIGINT and SIGTERM into a :class:`StopRequest`; a second signal acts as usual.

    With ``patient`` it does not: torchrun passes on the Ctrl-C that its processes have already had
    from the terminal, and the second would end them while they save. torchrun itself ends those
    that do not stop.

    Outside the main thread Python allows no handlers; the request can then only be made by hand.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = {one: signal.getsignal(one) for one in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        request.ask()
        if not patient:
            signal.signal(number, previous[signal.Signals(number)])

    for one in _SIGNALS:
        signal.signal(one, handle)
    try:
        yield request
    finally:
        for one, handler in previous.items():
            signal.signal(one, handler)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM (a cluster's time limit) ends a command that waits for others as Ctrl-C does."""
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
