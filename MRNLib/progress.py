"""Progress and cancellation of long work, in one callback.

A function that takes long accepts ``progress(fraction, message)`` with a fraction in [0, 1]. The
callback may raise :class:`MRNLib.errors.Cancelled`; work stops there and nothing half-written is
left behind.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def silent(fraction: float, message: str) -> None:
    """The default callback: says nothing and never cancels."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Maps a sub-task's own [0, 1] onto ``[start, stop]`` of the whole."""

    def report(fraction: float, message: str) -> None:
        progress(start + (stop - start) * min(max(fraction, 0.0), 1.0), message)

    return report
