"""How far work of hours has come: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from MRNLib.progress import Progress, silent

LINE_EVERY_SECONDS = 30.0


@contextmanager
def shown_progress(speaks: bool = True) -> Iterator[Progress]:
    """A bar with the time left on a terminal; otherwise a line every half minute.

    Args:
        speaks: Whether this process does: of several that work together, one.
    """
    if not speaks:
        yield silent
        return
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    text = TextColumn("{task.description}")
    with Bar(BarColumn(), "{task.percentage:>3.1f}%", TimeRemainingColumn(), text) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda done, message: bar.update(task, completed=done, description=message)


def _lines() -> Progress:
    first: list[tuple[float, float]] = []
    last = [0.0]

    def report(done: float, message: str) -> None:
        now = time.monotonic()
        first[:] = first or [(now, done)]
        if now - last[0] < LINE_EVERY_SECONDS:
            return
        last[0] = now
        gained = done - first[0][1]
        left = f"{(now - first[0][0]) / gained * (1 - done) / 60:.0f} min left" if gained else ""
        print(f"{time.strftime('%H:%M:%S')} {100 * done:5.1f} % {left} {message}", flush=True)

    return report
