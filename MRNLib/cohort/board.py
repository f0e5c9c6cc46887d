"""How far a cohort has come: one bar over its cases with the time left, a word for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from MRNLib.cluster.tasks import Outcome
from MRNLib.cohort.ending import Found
from MRNLib.progress import Progress, silent

DRAW_SECONDS = 0.5


class CohortBoard:
    """Told by :mod:`MRNLib.cluster` how cases fare.

    Args:
        show: Draws the whole's progress; may raise ``Cancelled``.
        tell: Called with each case that has ended.
        say: Prints a line about the workers.

    Attributes:
        failed: How many cases have failed.
        before: How many were done by an earlier run.
    """

    def __init__(
        self,
        show: Progress = silent,
        tell: Callable[[Outcome], None] = lambda outcome: None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._show, self._tell, self.say = show, tell, say
        self._running: dict[str, tuple[float, str]] = {}
        self._over: set[str] = set()
        self._total = self._ended = self.failed = self.before = 0
        self._drawn = self._clock = time.monotonic()
        self._thread = threading.current_thread()

    def look(self, message: str, fraction: float = 0.0) -> None:
        """Before the first case or after the last; raises ``Cancelled`` from the callback."""
        self._show(fraction, message)

    def known(self, outcomes: list[Outcome]) -> None:
        """Counts cases that ended before any was run."""
        self._total += len(outcomes)
        for outcome in outcomes:
            self.ended(outcome, 0.0)

    def begin(self, keys: list[str]) -> None:
        """Before the first case."""
        self._total += len(keys)
        self._clock = time.monotonic()

    def progress(self, key: str, fraction: float, message: str) -> None:
        """One case has come this far; in a thread of its own where workers run it."""
        if key not in self._over:  # a worker's word may come after its result
            self._running[key] = (fraction, message)
        if threading.current_thread() is self._thread:
            self.pulse()

    def pulse(self) -> None:
        """Draws, at most twice a second; raises ``Cancelled`` from the callback."""
        now = time.monotonic()
        if now - self._drawn < DRAW_SECONDS or not self._total:
            return
        self._drawn = now
        running = list(self._running.items())
        done = self._ended + sum(fraction for _, (fraction, _) in running)
        said = [f"{self._ended} of {self._total} cases"]
        said += [f"{self.failed} failed"] if self.failed else []
        said += [left] if (left := self._left(done)) else []
        said += [f"{key}: {text}" for key, (_, text) in running[:1]]
        self._show(min(done / self._total, 1.0), ", ".join(said))

    def _left(self, done: float) -> str:
        fresh = done - self.before
        if fresh <= 0 or self._ended == self.before:
            return ""
        return in_words((time.monotonic() - self._clock) / fresh * (self._total - done))

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """One case is over."""
        self._over.add(outcome.key)
        self._running.pop(outcome.key, None)
        if outcome.stopped:
            return
        self._ended += 1
        self.failed += bool(outcome.error)
        if isinstance(outcome.value, Found) and outcome.value.state == "done before":
            self.before += 1
            if self.before == self._ended:
                self._clock = time.monotonic()  # these say nothing of how long others take
        self._tell(outcome)


def in_words(seconds: float) -> str:
    """``2 h 05 min left``, ``12 min left``, ``40 s left``."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min left"
    return f"{minutes} min left" if minutes >= 2 else f"{seconds:.0f} s left"
