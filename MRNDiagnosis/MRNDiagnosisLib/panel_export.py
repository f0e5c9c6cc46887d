"""The Export section. Qt inside Slicer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from MRNDiagnosisLib import export
from MRNDiagnosisLib.export import Exported
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.translation import tr as _
from MRNLib.errors import InputError


def said(written: Exported) -> str:
    """What was written of whom and where, what was not, and whether it still holds."""
    lines = {
        "files": _("Report and files of '{case}' written to {folder}"),
        "result": _("Result of '{case}' written to {folder}"),
        "masks": _("{modalities} outlines of '{case}' written to {folder}"),
        "dicom": _("DICOM segmentations of '{case}' ({modalities}) written to {folder}"),
    }
    modalities = ", ".join(written.modalities)
    line = lines[written.kind].format(
        case=written.case, folder=written.folder, modalities=modalities
    )
    if written.changes:
        since = _("Out of date: this result was computed before the following changed.")
        line = "\n".join((line, since, *written.changes))
    if written.left_out:
        line = "\n".join((line, _("Left out:"), *written.left_out))
    return line


class ExportPart:
    """Wires the Export section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        for button, write in (
            (ui.exportReportButton, export.export_files),
            (ui.exportJsonButton, export.export_json),
            (ui.exportMasksButton, export.export_masks),
            (ui.exportDicomButton, export.export_dicom),
        ):
            button.connect("clicked()", lambda write=write: self.write(write))

    def write(self, write: Callable[[Session, Path], Exported]) -> None:
        """Writes into the chosen folder, and says what and where."""
        folder = self._ui.exportPathLineEdit.currentPath
        if not folder:
            self.say(_("Choose the folder first."))
            return
        try:
            self.say(said(write(self._session, Path(folder))))
        except (InputError, OSError) as error:
            self.say(str(error))

    def say(self, text: str) -> None:
        """Shows a line."""
        self._ui.exportLabel.setText(text)
