"""One run of the ``mrn`` command beside the front end: progress, result, cancel, no litter.

No Qt and no MRML: the callbacks come on the thread on which the runner calls back, which inside
Slicer is the main thread.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.callbacks import call, nothing
from MRNDiagnosisLib.commandline import (
    EXIT_CANCELLED,
    EXIT_INPUT,
    MARK,
    Outcome,
    arguments,
    parse,
)
from MRNDiagnosisLib.runners import Process, ProcessRunner, Runner, SlicerRunner
from MRNDiagnosisLib.temporary import PATIENCE, new_folder
from MRNLib.casefiles import Case
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters
from MRNLib.writing import remove_partial

__all__ = [
    "Job",
    "Outcome",
    "Process",
    "ProcessRunner",
    "Runner",
    "SlicerRunner",
    "arguments",
    "parse",
]

OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED", re.I)
RETRY = (
    "The GPU ran out of memory. The run was started again on the CPU, where it takes longer "
    "and gives a comparable result."
)
DEFAULTS = Parameters()
# Lines of the log in which the reason of a crash is looked for.
REMEMBERED = 40


class Job:
    """One run of one command.

    Args:
        command: ``segment``, ``diagnose`` or ``check``; or a whole command line that has no case,
            such as ``["bundle", "add", "https://..."]``.
        case: The case's files, or what writes them into the run's temporary folder; None for a
            whole command line.
        parameters: The settings.
        out: Folder for the results; None puts them into the temporary folder, where they can be
            read until ``on_done`` returns.
        place: Where the temporary folder goes; the system's place for such without one.
        on_progress: Called with a fraction in [0, 1] and a message.
        on_log: Called with every other line of the program.
        on_warning: Called with the library's warnings.
        on_done: Called once, however the run ends.
        grace: Seconds between the cancel file and the end of the process tree.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        case: Case | Callable[[Path], Case] | None = None,
        parameters: Parameters = DEFAULTS,
        out: Path | None = None,
        *,
        place: Path | None = None,
        on_progress: Callable[[float, str], Any] = nothing,
        on_log: Callable[[str], Any] = nothing,
        on_warning: Callable[[str], Any] = nothing,
        on_done: Callable[[Outcome], Any] = nothing,
        grace: float = 5.0,
    ) -> None:
        self.command = command
        self.parameters = parameters
        self.out = out
        self._place = place
        self.on_progress = on_progress
        self.on_log = on_log
        self.on_warning = on_warning
        self.on_done = on_done
        self._case = case
        self._grace = grace
        self._lock = threading.RLock()
        self._finished = threading.Event()
        self._runner: Runner | None = None
        self._process: Process | None = None
        self._timer: threading.Timer | None = None
        self._cancelled = self._killed = self._over = False
        self._forget()

    @property
    def running(self) -> bool:
        """Whether the run has begun and not ended."""
        return self._runner is not None and not self._over

    def start(self, runner: Runner) -> None:
        """Writes the files and starts the program; returns at once.

        An input that cannot be used and a program that cannot be started end in ``on_done`` too.
        """
        if self._runner is not None:
            raise RuntimeError("a job is started once")
        self._runner = runner
        self.folder = new_folder("job", self._place)
        try:
            if callable(self._case):
                self._case = self._case(self.folder)
            if self.out is None:
                self.out = self.folder / "out"
            self._launch()
        except (InputError, OSError) as error:
            self._finish(Outcome(EXIT_INPUT, None, str(error), self._cancelled))
        except BaseException:
            self._clear()
            raise

    def cancel(self) -> None:
        """Asks the program to stop, and ends it and its children if it does not within a grace."""
        with self._lock:
            if not self.running or self._cancelled:
                return
            self._cancelled = True
            self._cancel_file.touch()
            self._timer = threading.Timer(self._grace, self._kill)
            self._timer.daemon = True
            self._timer.start()

    def kill(self, patience: float = PATIENCE) -> None:
        """Ends the program now and calls nobody back: for a front end that goes itself."""
        with self._lock:
            if not self.running:
                return
            self._over = self._killed = True
        if self._process is not None:
            self._process.kill_tree()
            self._process.wait(patience)
        self._clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end; not for Slicer's main thread, on which the callbacks come."""
        return self._finished.wait(timeout)

    @property
    def _cancel_file(self) -> Path:
        return self.folder / "cancel"

    def _forget(self) -> None:
        self._result: dict[str, Any] | None = None
        self._error: str | None = None
        self._log: deque[str] = deque(maxlen=REMEMBERED)

    def _launch(self) -> None:
        assert self._runner is not None
        self._forget()
        args = self._arguments()
        # Under the lock, so that a program that ends at once finds its process set.
        with self._lock:
            self._process = self._runner.launch(args, self._line, self._ended)

    def _arguments(self) -> list[str]:
        if isinstance(self.command, str):
            assert isinstance(self._case, Case)
            return arguments(self.command, self._case, self.parameters, self.out, self._cancel_file)
        return [*self.command, "--progress=json", f"--cancel-file={self._cancel_file}"]

    def _kill(self) -> None:
        with self._lock:
            if self.running and self._process is not None:
                self._killed = True
                self._process.kill_tree()

    def _line(self, line: str) -> None:
        if self._over:
            return
        event = parse(line)
        text = line if event is None else line[: line.find(MARK)]
        if text.strip():
            self._log.append(text)
            call(self.on_log, text)
        match event:
            case {"event": "progress", "fraction": fraction, "message": message}:
                call(self.on_progress, float(fraction), str(message))
            case {"event": "warning", "text": warning}:
                call(self.on_warning, warning)
            case {"event": "error", "text": error}:
                self._error = error
            case {"event": "result"}:
                self._result = event

    def _ended(self, code: int) -> None:
        with self._lock:
            if self._over:
                return
            if self._should_retry(code):
                self.parameters = replace(self.parameters, device="cpu")
                call(self.on_warning, RETRY)
                try:
                    self._launch()
                    return
                except OSError as refused:
                    self._error = str(refused)
        cancelled = self._cancelled and code != 0
        succeeded = code == 0 and self._result is not None
        error = None if succeeded or cancelled else self._error or self._reason(code)
        self._finish(Outcome(code, self._result if succeeded else None, error, cancelled))

    def _should_retry(self, code: int) -> bool:
        if code in (0, EXIT_INPUT, EXIT_CANCELLED) or self._cancelled or self._case is None:
            return False
        return self.parameters.device != "cpu" and any(map(OUT_OF_MEMORY.search, self._log))

    def _reason(self, code: int) -> str:
        """What is said about a program that ended without saying why itself."""
        how = f"with code {code}" if code >= 0 else f"by signal {-code}"
        last = next((line for line in reversed(self._log) if line.strip()), "")
        remedy = "the log says more; run it again, on the CPU if memory was short"
        return str(
            InputError(f"The run ended {how}, without a result. {last}".strip(), remedy=remedy)
        )

    def _finish(self, outcome: Outcome) -> None:
        self._over = True
        try:
            call(self.on_done, outcome)
        finally:
            self._clear()

    def _clear(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._killed and self.out is not None:
            remove_partial(self.out, alone=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._finished.set()
