"""The Batch section: a folder of cases, a table that fills. Qt inside Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MRNDiagnosisLib import work
from MRNDiagnosisLib.batch import Batch, Row
from MRNDiagnosisLib.panel_facts import BatchFacts, Task, busy
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.translation import tr as _
from MRNLib.errors import InputError


def cells(row: Row) -> tuple[str, ...]:
    """What the table says of a case."""
    probability = "" if row.probability is None else f"{row.probability:.2f}"
    seconds = "" if row.seconds is None else f"{row.seconds:.0f}"
    return row.identifier, _state(row), probability, row.decision, seconds


def _state(row: Row) -> str:
    words = {
        "waiting": _("waiting"),
        "running": _("running"),
        "done": _("done"),
        "failed": _("failed"),
        "stopped": _("stopped"),
    }
    if row.state == "done" and row.warnings:
        return _("done, with warnings")
    return words[row.state]


def tip(row: Row) -> str:
    """What is said when the mouse is over a row."""
    return "\n".join(filter(None, (row.message, *row.warnings)))


def not_yet(row: Row, running: Task) -> str:
    """Why a row cannot be opened now; empty where it can be.

    While cases are worked on those that are done can be read, for their files no longer change.
    """
    if running == "batch":
        done = row.state in ("done", "failed")
        said = _("{case} can be opened when it is done.")
        return "" if done else said.format(case=row.identifier)
    return _("{task} Open the case afterwards.").format(task=busy(running)) if running else ""


class _Stop:
    """A batch is stopped where a run is cancelled."""

    def __init__(self, batch: Batch) -> None:
        self.cancel, self.kill = batch.stop, batch.kill


class BatchPart:
    """Wires the Batch section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._batch: Batch | None = None
        self._problem = self._note = ""
        ui.batchStartButton.connect("clicked()", self.start)
        ui.batchStopButton.connect("clicked()", session.runs.cancel)
        ui.batchTable.connect("cellDoubleClicked(int,int)", lambda row, column: self.open(row))
        for edit in (ui.batchPathLineEdit, ui.batchOutPathLineEdit):
            edit.connect("currentPathChanged(QString)", lambda path: self._forget())

    def facts(self) -> BatchFacts:
        """What is known about the folder of cases."""
        rows = self._batch.rows if self._batch else []
        return BatchFacts(
            self._ui.batchPathLineEdit.currentPath,
            self._ui.batchOutPathLineEdit.currentPath,
            len(rows),
            sum(row.state == "done" for row in rows),
            sum(row.state == "failed" for row in rows),
            self._problem,
            self._note,
        )

    def start(self) -> None:
        """Starts, or goes on where it was stopped."""
        session, facts = self._session, self.facts()
        self._problem = self._note = ""
        try:
            self._batch = Batch(
                Path(facts.folder),
                session.parameters(),
                Path(facts.out),
                place=session.folder,
                given_masks=self._ui.batchMasksCheckBox.checked,
                on_row=self._show,
                on_progress=session.runs.progress,
                on_log=session.runs.log,
                on_done=self._done,
            )
        except InputError as error:
            self._problem = str(error)
            session.changed()
            return
        self._ui.batchTable.setRowCount(len(self._batch.rows))
        for number, row in enumerate(self._batch.rows):
            self._show(number, row)
        self._ui.batchTable.resizeColumnToContents(0)
        session.runs.begin("batch", _Stop(self._batch))
        self._batch.start(session.runs.runner())

    def open(self, number: int) -> None:
        """Loads a case with its result."""
        import slicer

        if self._batch is None or self._session.chosen is None:
            return
        case, row = self._batch.cases[number], self._batch.rows[number]
        waits = not_yet(row, self._session.runs.task)
        self._say(waits)
        if waits:
            return
        if case is None:
            self._say(row.message)
            return
        try:
            with slicer.util.WaitCursor():
                work.open_result(self._session, case, self._batch.result_folder(number))
        except InputError as error:
            self._say(str(error))

    def _say(self, text: str) -> None:
        """Says why a row was not opened; what is running keeps its own line."""
        self._note = text
        if self._session.runs.task:
            self._session.changed()
        else:
            self._session.runs.say(text)

    def _show(self, number: int, row: Row) -> None:
        import qt

        for column, text in enumerate(cells(row)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tip(row))
            self._ui.batchTable.setItem(number, column, item)

    def _done(self, rows: list[Row]) -> None:
        self._session.runs.end(cancelled=any(row.state == "stopped" for row in rows))

    def _forget(self) -> None:
        if not self._session.runs.task:
            self._batch, self._problem, self._note = None, "", ""
            self._ui.batchTable.setRowCount(0)
        self._session.changed()
