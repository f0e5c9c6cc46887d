"""The Setup section: what is installed, and installing it. Qt inside Slicer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MRNDiagnosisLib import dependencies, packages
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.translation import tr as _
from MRNLib.errors import Cancelled, InputError


class SetupPart:
    """Wires the Setup section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
        tools: What installing uses; tests bring their own.

    Attributes:
        missing: What is not installed.
        error: Why the last installation failed.
    """

    def __init__(
        self,
        ui: Any,
        session: Session,
        tools: Callable[[], dependencies.Tools] = dependencies.slicer_tools,
    ) -> None:
        self._ui, self._session, self._tools = ui, session, tools
        self.missing: tuple[str, ...] = ()
        self.error = ""
        ui.installButton.connect("clicked()", self.install)
        ui.installFolderButton.connect("clicked()", self.install_from_folder)
        ui.checkSetupButton.connect("clicked()", self.check)

    def check(self) -> None:
        """Looks which packages are there."""
        self.missing = tuple(entry.text for entry in packages.missing())
        self._session.changed()

    def install(self) -> None:
        """Installs what is missing from the internet."""
        self._do(dependencies.install)

    def install_from_folder(self) -> None:
        """Installs what is missing from the folder of wheels."""
        folder = self._ui.wheelPathLineEdit.currentPath
        if not folder:
            self.error = _("Choose the folder of wheels first.")
            self._session.changed()
            return
        self._do(
            lambda tools, progress: dependencies.install_from_folder(Path(folder), tools, progress)
        )

    def _do(self, step: Callable[..., None]) -> None:
        runs = self._session.runs
        self.error = ""
        runs.begin("setup")
        try:
            step(self._tools(), runs.progress)
        except Cancelled:
            self.error = _("Nothing was installed.")
        except InputError as error:
            self.error = str(error)
        except Exception as error:
            # Slicer's installers raise what they like; it must not end in the console alone.
            logging.exception("setup")
            failed = _("The installation failed: {reason}. Slicer's log says more.")
            self.error = failed.format(reason=str(error).strip().rstrip(".") or repr(error))
        finally:
            # Whatever happened, the panel must not stay busy.
            runs.end()
            self.check()
