"""What is being done right now, and how the last run ended: one thing at a time, no Qt, no MRML."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from MRNDiagnosisLib.commandline import Outcome
from MRNDiagnosisLib.jobs import Job, Runner
from MRNDiagnosisLib.panel_facts import Task
from MRNDiagnosisLib.runlog import RunLog
from MRNLib.casefiles import Case
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters

DEFAULTS = Parameters()


class Stoppable(Protocol):
    """Work that goes on beside the front end."""

    def cancel(self) -> None:
        """Ends it soon; its end is reported like any other."""

    def kill(self) -> None:
        """Ends it now; nothing is reported any more."""


class Runs:
    """Starts work and keeps what the panel shows of it.

    Args:
        runner: Makes what starts the program.
        changed: Called whenever something shown has changed.
        log: Called with the log's lines: what the program prints, and what a run is at.
        place: Where the files of a run go; the system's temporary folder without one.
        failed: Called when something ended without a success: what waited for it is due.

    Attributes:
        task: What is being done; empty for nothing.
        fraction: How much of it.
        message: The step it is at.
        cancelling: Whether it was asked to stop.
        ended: Why the last run failed; empty after a success.
        cancelled: Whether the last run was cancelled.
        notes: What it warned of.
    """

    def __init__(
        self,
        runner: Callable[[], Runner],
        changed: Callable[[], None],
        log: Callable[[str], None],
        place: Path | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.runner = runner
        self._place, self._failed = place, failed
        self._changed = changed
        self.log = log
        self._history = RunLog(log)
        self._work: Stoppable | None = None
        self.task: Task = ""
        self.fraction, self.message = 0.0, ""
        self.cancelling = False
        self.ended, self.cancelled = "", False
        self.notes: tuple[str, ...] = ()

    def begin(self, task: Task, work: Stoppable | None = None) -> None:
        """Takes note that something starts; what an earlier run said is forgotten."""
        if self.task:
            raise RuntimeError(f"{self.task} is still running")
        self.task, self._work = task, work
        self.fraction, self.message, self.cancelling = 0.0, "", False
        self.forget()
        self._history.begin(task)
        self._changed()

    def forget(self) -> None:
        """Forgets how the last run ended."""
        self.ended, self.cancelled, self.notes = "", False, ()

    def end(self, error: str = "", cancelled: bool = False) -> None:
        """Takes note that it ended."""
        self._history.end(self.task, error, cancelled)
        self.task, self._work = "", None
        self.ended, self.cancelled, self.cancelling = error, cancelled, False
        if error or cancelled:
            self._failed()
        self._changed()

    def say(self, error: str) -> None:
        """Shows why something that takes no time was refused; empty text clears it."""
        self.forget()
        self.ended = error
        self._changed()

    def progress(self, fraction: float, message: str) -> None:
        """Shows how far it is."""
        self.fraction, self.message = fraction, message
        self._history.step(fraction, message)
        self._changed()

    def warn(self, text: str) -> None:
        """Keeps a warning of the run."""
        if text not in self.notes:
            self.notes = (*self.notes, text)
            self._history.warn(text)
            self._changed()

    def cancel(self) -> None:
        """Asks what is running to stop."""
        if self._work is not None and not self.cancelling:
            self.cancelling = True
            self._changed()
            self._work.cancel()

    def kill(self) -> None:
        """Ends what is running now, without a word: the front end goes."""
        if self._work is not None:
            self._work.kill()
        self.task, self._work, self.cancelling = "", None, False

    def start(
        self,
        task: Task,
        command: str | Sequence[str],
        take: Callable[[dict[str, Any]], None],
        case: Callable[[Path], Case] | None = None,
        parameters: Parameters = DEFAULTS,
        out: Path | None = None,
    ) -> None:
        """Starts a command of ``mrn``.

        Args:
            task: What the panel calls it.
            command: As for :class:`MRNDiagnosisLib.jobs.Job`, like the arguments below.
            take: Called with the result while its files are there; may raise InputError.
            case: Writes the case's files.
            parameters: The settings.
            out: Folder for the results.
        """

        def done(outcome: Outcome) -> None:
            error = outcome.error or ""
            if outcome.result is not None:
                error = self._taken(take, outcome.result)
            self.end(error, outcome.cancelled)

        job = Job(
            command,
            case,
            parameters,
            out,
            place=self._place,
            on_progress=self.progress,
            on_log=self.log,
            on_warning=self.warn,
            on_done=done,
        )
        self.begin(task, job)
        job.start(self.runner())

    def _taken(self, take: Callable[[dict[str, Any]], None], result: dict[str, Any]) -> str:
        try:
            take(result)
        except InputError as error:
            return str(error)
        except Exception as error:
            # The run must end in the panel too; the log has the traceback.
            logging.exception("The result of a run could not be shown")
            return f"The result could not be shown: {error}"
        return ""
