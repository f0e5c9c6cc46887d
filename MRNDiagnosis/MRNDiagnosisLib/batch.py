"""A folder of cases, one run after another; what is finished is not done again.

No Qt and no MRML. Each case's results are in ``<out>/<identifier>``, so a batch that was stopped
goes on where it was, in any front end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from MRNDiagnosisLib.callbacks import call, nothing
from MRNDiagnosisLib.jobs import Job, Outcome, Runner
from MRNLib.casefiles import Case, UnusableCase, survey_cohort
from MRNLib.finished import finished_result
from MRNLib.parameters import Parameters
from MRNLib.writing import require_folder

State = Literal["waiting", "running", "done", "failed", "stopped"]


@dataclass(frozen=True)
class Row:
    """One case of the table.

    Attributes:
        identifier: The case's name, and its folder's.
        state: ``waiting``, ``running``, ``done``, ``failed`` or ``stopped``.
        probability: P(PD), when done.
        decision: The decision's word, when done.
        seconds: How long it took; None where an earlier run had done it.
        message: What the run is doing, or the library's text about what went wrong.
        warnings: What the run warned of, such as that it was started again on the CPU.
    """

    identifier: str
    state: State = "waiting"
    probability: float | None = None
    decision: str = ""
    seconds: float | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()


class Batch:
    """Diagnoses every case of a folder in the challenge's layout.

    Args:
        folder: Holds one folder for each case.
        parameters: The settings of every run.
        out: Folder for the results; each case gets a folder in it.
        place: Where the files of a run go; the system's temporary folder without one.
        given_masks: Use masks that lie beside the volumes; False outlines every case anew.
        on_row: Called with a row's number and the row whenever it changes.
        on_progress: Called with the share of the batch done and a message.
        on_log: Called with the log lines of the running case, and with its name and its warnings.
        on_done: Called once with all rows, after the last case or a stop.

    Raises:
        InputError: The folder holds no cases, or ``out`` cannot be written.

    Attributes:
        cases: The files of each row; None where they cannot be used, which the row says.
        rows: The table.
    """

    def __init__(
        self,
        folder: Path,
        parameters: Parameters,
        out: Path,
        *,
        place: Path | None = None,
        given_masks: bool = True,
        on_row: Callable[[int, Row], Any] = nothing,
        on_progress: Callable[[float, str], Any] = nothing,
        on_log: Callable[[str], Any] = nothing,
        on_done: Callable[[list[Row]], Any] = nothing,
    ) -> None:
        require_folder(out)
        unmasked: dict[str, Any] = {} if given_masks else {"qsm_mask": None, "nm_mask": None}
        self.cases: list[Case | None] = []
        self.rows: list[Row] = []
        for found in survey_cohort(folder):
            if isinstance(found, UnusableCase):
                self.cases.append(None)
                self.rows.append(Row(found.identifier, "failed", message=str(found.error)))
            else:
                self.cases.append(replace(found, **unmasked))
                self.rows.append(Row(found.identifier))
        self.parameters = parameters
        self.out = out
        self._place = place
        self.on_row, self.on_progress = on_row, on_progress
        self.on_log, self.on_done = on_log, on_done
        self._runner: Runner | None = None
        self._job: Job | None = None
        self._position = 0
        self._began = 0.0
        self._stopped = self._looping = self._over = False
        self._lock = threading.RLock()
        self._finished = threading.Event()

    @property
    def running(self) -> bool:
        """Whether cases are being worked on."""
        return self._runner is not None and not self._over

    def start(self, runner: Runner) -> None:
        """Begins with the first case; returns at once."""
        if self._runner is not None:
            raise RuntimeError("a batch is started once; a new one goes on where it was")
        self._runner = runner
        self._go_on()

    def stop(self) -> None:
        """Cancels the running case; the cases after it wait for another batch."""
        self._stopped = True
        if self._job is not None:
            self._job.cancel()

    def kill(self) -> None:
        """Ends the running case now; nobody is called back."""
        self._stopped = True
        if self._job is not None:
            self._job.kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end; not for Slicer's main thread, on which the callbacks come."""
        return self._finished.wait(timeout)

    def result_folder(self, number: int) -> Path:
        """Where the results of a row are, or will be."""
        return self.out / self.rows[number].identifier

    def _go_on(self) -> None:
        """Starts the next case that is not done yet, if none is running."""
        with self._lock:
            if self._looping:  # called by a run that ended while it was being started
                return
            self._looping = True
            while self._job is None and not self._stopped and self._position < len(self.cases):
                self._position += 1
                self._begin(self._position - 1)
            self._looping = False
            if self._job is not None or self._over:
                return
            self._over = True
        call(self.on_progress, self._position / len(self.rows), "Stopped" if self._left else "Done")
        call(self.on_done, list(self.rows))
        self._finished.set()

    @property
    def _left(self) -> bool:
        return any(row.state in ("waiting", "stopped") for row in self.rows)

    def _begin(self, number: int) -> None:
        assert self._runner is not None
        case = self.cases[number]
        if case is None:
            return
        known = finished_result(self.result_folder(number), case, self.parameters)
        if known is not None:
            self._show(number, **_result(known), message="done before")
            return
        self._job = Job(
            "diagnose",
            case,
            self.parameters,
            self.result_folder(number),
            place=self._place,
            on_progress=lambda fraction, message: self._progress(number, fraction, message),
            on_log=self.on_log,
            on_warning=lambda text: self._warned(number, text),
            on_done=lambda outcome: self._ended(number, outcome),
        )
        self._began = time.monotonic()
        self._show(number, state="running", warnings=())
        self._job.start(self._runner)

    def _progress(self, number: int, fraction: float, message: str) -> None:
        self._show(number, message=message)
        share = (number + fraction) / len(self.rows)
        call(self.on_progress, share, f"{self.rows[number].identifier}: {message}")

    def _warned(self, number: int, text: str) -> None:
        row = self.rows[number]
        if text not in row.warnings:
            self._show(number, warnings=(*row.warnings, text))
            call(self.on_log, f"{row.identifier}: {text}")

    def _ended(self, number: int, outcome: Outcome) -> None:
        seconds = round(time.monotonic() - self._began, 1)
        if outcome.result is not None:
            headline = outcome.result["headline"]
            self._show(number, **_result(outcome.result), seconds=seconds, message=headline)
        elif outcome.cancelled:
            self._show(number, state="stopped", message="Stopped.")
        else:
            self._show(number, state="failed", seconds=seconds, message=outcome.error or "")
        self._job = None
        self._go_on()

    def _show(self, number: int, **changes: Any) -> None:
        self.rows[number] = replace(self.rows[number], **changes)
        call(self.on_row, number, self.rows[number])


def _result(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "state": "done",
        "probability": values["probability_pd"],
        "decision": values["decision"],
    }
