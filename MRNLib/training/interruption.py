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

    def ask(self) -> None:
        """Asks to stop at the next step."""
        self.asked = True


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turns SIGINT and SIGTERM into a :class:`StopRequest`; a second signal acts as usual.

    Outside the main thread Python allows no handlers; the request can then only be made by hand.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = {one: signal.getsignal(one) for one in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        request.ask()
        signal.signal(number, previous[signal.Signals(number)])

    for one in _SIGNALS:
        signal.signal(one, handle)
    try:
        yield request
    finally:
        for one, handler in previous.items():
            signal.signal(one, handler)
