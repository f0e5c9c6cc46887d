"""What the Log tab says of a run: its start, its steps, its warnings and its end, with the time."""

from __future__ import annotations

import time
from collections.abc import Callable

from MRNDiagnosisLib.translation import tr as _


class RunLog:
    """Writes the lines; the program itself prints little but its progress, which is no text.

    Args:
        write: Takes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self._began = 0.0
        self._step = ""

    def begin(self, task: str) -> None:
        """A run starts."""
        self._began, self._step = time.monotonic(), ""
        self._say(_("{task}: started").format(task=task))

    def step(self, fraction: float, message: str) -> None:
        """The run is at this step; said once."""
        if message != self._step:
            self._step = message
            self._say(f"{round(100 * fraction)} % {message}")

    def warn(self, text: str) -> None:
        """The run warned."""
        self._say(_("Warning: {text}").format(text=text))

    def end(self, task: str, error: str, cancelled: bool) -> None:
        """The run is over."""
        seconds = f"{time.monotonic() - self._began:.1f}"
        if cancelled:
            said = _("{task}: cancelled after {seconds} s")
        elif error:
            said = _("{task}: failed after {seconds} s")
        else:
            said = _("{task}: done after {seconds} s")
        self._say(said.format(task=task, seconds=seconds))
        if error:
            self.write(error)

    def _say(self, text: str) -> None:
        self.write(f"{time.strftime('%H:%M:%S')}  {text}")
