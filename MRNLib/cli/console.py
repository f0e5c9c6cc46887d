"""How the command line talks: bars or JSON lines, errors in plain text, exit codes.

With ``--progress json`` every line on standard output starts with ``@mrn `` and ASCII JSON follows,
so that a front end can read progress, warnings and the result from a merged stream.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from MRNLib import progress as callbacks
from MRNLib.errors import Cancelled

EXIT_INPUT = 2
EXIT_SOME_FAILED = 3
EXIT_CANCELLED = 130

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


class ProgressStyle(StrEnum):
    """How progress is shown."""

    bar = "bar"
    json = "json"
    none = "none"


class Talk:
    """One command's output in the chosen style."""

    current: ClassVar[Talk | None] = None

    def __init__(self, style: ProgressStyle) -> None:
        self.style = style
        Talk.current = self

    def event(self, name: str, **values: Any) -> None:
        """A line for a front end; nothing for people."""
        if self.style is ProgressStyle.json:
            line = json.dumps({"event": name, **values}, ensure_ascii=True)
            print(f"@mrn {line}", flush=True)

    def say(self, text: str = "") -> None:
        """Text for people; nothing for a front end."""
        if self.style is not ProgressStyle.json:
            out.print(text, markup=False)

    def show(self, renderable: Any) -> None:
        """A table or other rich object for people."""
        if self.style is not ProgressStyle.json:
            out.print(renderable)

    def warn(self, text: str) -> None:
        """A warning, in either style."""
        self.event("warning", text=text)
        if self.style is not ProgressStyle.json:
            err.print(f"Warning: {text}", style="yellow", markup=False)

    @classmethod
    def fail(cls, kind: str, text: str) -> None:
        """Says why a command ended early, in the style it talked in.

        Args:
            kind: ``error`` or ``cancelled``.
            text: One to three lines.
        """
        if cls.current is not None:
            cls.current.event(kind, text=text)
        err.print(text, style="red" if kind == "error" else None, markup=False)

    @contextmanager
    def progress(self, cancel_file: Path | None = None) -> Iterator[callbacks.Progress]:
        """A callback that draws progress, and raises Cancelled after Ctrl-C or a cancel file."""
        asked = threading.Event()
        with _interrupt_sets(asked), _bar(self.style) as draw:

            def report(fraction: float, message: str) -> None:
                if asked.is_set() or (cancel_file is not None and cancel_file.exists()):
                    raise Cancelled("Cancelled.")
                draw(fraction, message)
                self.event("progress", fraction=round(fraction, 4), message=message)

            yield report


@contextmanager
def _bar(style: ProgressStyle) -> Iterator[callbacks.Progress]:
    if style is not ProgressStyle.bar or not err.is_terminal:
        yield callbacks.silent
        return
    columns = (BarColumn(32), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.description}"), console=err, transient=True
    ) as drawing:
        task = drawing.add_task("", total=1.0)
        yield lambda fraction, message: drawing.update(
            task, completed=fraction, description=message
        )


@contextmanager
def _interrupt_sets(asked: threading.Event) -> Iterator[None]:
    """The first Ctrl-C asks for a clean stop at the next report, a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
