"""How far a whole experiment has come: one bar over its cells, and a line for each that ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from MRNLib.cluster.tasks import Outcome
from MRNLib.progress import Progress, silent


class Board:
    """How far all cells are, as one bar.

    Args:
        show: Draws the whole's progress.
        say: Prints a line about one cell.
    """

    def __init__(self, show: Progress = silent, say: Callable[[str], None] = print) -> None:
        self._show, self.say = show, say
        self._fractions: dict[str, float] = {}

    def begin(self, keys: Sequence[str]) -> None:
        """Starts the bar over these cells."""
        self._fractions = dict.fromkeys(keys, 0.0)

    def progress(self, key: str, fraction: float, message: str) -> None:
        """One cell has come this far."""
        self._fractions[key] = fraction
        total = len(self._fractions)
        ended = sum(value >= 1.0 for value in self._fractions.values())
        done = min(sum(self._fractions.values()) / total, 1.0)
        self._show(done, f"{ended} of {total} cells; {key}: {message}")

    def pulse(self) -> None:
        """Nothing: the callbacks draw."""

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """One cell is over."""
        if outcome.stopped:
            return
        how = f"failed: {outcome.error}" if outcome.error else f"done after {seconds:.0f} s"
        self.say(f"{outcome.key}: {how}")
        self.progress(outcome.key, 1.0, "failed" if outcome.error else "done")
