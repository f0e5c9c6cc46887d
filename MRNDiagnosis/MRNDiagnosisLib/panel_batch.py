"""The Batch section: a folder of cases, a table that fills. Qt inside Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MRNDiagnosisLib import work
from MRNDiagnosisLib.batch import Batch, Row
from MRNDiagnosisLib.panel_facts import BatchFacts
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
    return words[row.state]


class _Stop:
    """A batch is stopped where a run is cancelled."""

    def __init__(self, batch: Batch) -> None:
        self.cancel = batch.stop


class BatchPart:
    """Wires the Batch section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._batch: Batch | None = None
        self._problem = ""
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
        )

    def start(self) -> None:
        """Starts, or goes on where it was stopped."""
        session, facts = self._session, self.facts()
        self._problem = ""
        try:
            self._batch = Batch(
                Path(facts.folder),
                session.parameters(),
                Path(facts.out),
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

        if self._batch is None or self._session.chosen is None or self._session.runs.task:
            return
        case, folder = self._batch.cases[number], self._batch.result_folder(number)
        if case is None:
            self._session.runs.say(self._batch.rows[number].message)
            return
        try:
            with slicer.util.WaitCursor():
                work.open_result(self._session, case, folder)
        except InputError as error:
            self._session.runs.say(str(error))

    def _show(self, number: int, row: Row) -> None:
        import qt

        for column, text in enumerate(cells(row)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(row.message)
            self._ui.batchTable.setItem(number, column, item)

    def _done(self, rows: list[Row]) -> None:
        self._session.runs.end(cancelled=any(row.state == "stopped" for row in rows))

    def _forget(self) -> None:
        if not self._session.runs.task:
            self._batch, self._problem = None, ""
            self._ui.batchTable.setRowCount(0)
        self._session.changed()
