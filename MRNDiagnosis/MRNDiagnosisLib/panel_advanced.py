"""The Advanced section: models, and what is kept between runs. Qt inside Slicer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.translation import tr as _
from MRNLib.bundle_store import installed_bundles, read_card, remove_bundle
from MRNLib.errors import InputError
from MRNLib.parameters import DEFAULT_BUNDLE


class AdvancedPart:
    """Wires the Advanced section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._names: list[str] = []
        self._seen: tuple[Any, str, str] | None = None
        ui.bundleComboBox.connect("activated(int)", self._choose)
        ui.showCardButton.connect("toggled(bool)", self._show_card)
        ui.removeBundleButton.connect("clicked()", self._remove)
        ui.addBundleFolderButton.connect(
            "clicked()", lambda: self._add(ui.bundlePathLineEdit.currentPath)
        )
        ui.addBundleUrlButton.connect("clicked()", lambda: self._add(ui.bundleUrlLineEdit.text))
        ui.clearCacheButton.connect("clicked()", session.clear_cache)

    def update(self) -> None:
        """Shows which models there are, and which one is chosen."""
        chosen, box = self._session.chosen, self._ui.bundleComboBox
        task = self._session.runs.task
        now = (chosen, "" if chosen is None else chosen.bundle, task)
        if task and now == self._seen:
            return  # a line of progress is no reason to look at the disk
        self._seen = now
        names = installed_bundles()
        if chosen is not None and chosen.bundle not in names:
            names.append(chosen.bundle)  # a scene may name one that this computer lacks
        if names != self._names:
            self._names = names
            box.clear()
            box.addItems(names)
        if chosen is not None:
            box.setCurrentIndex(names.index(chosen.bundle))

    def _choose(self, index: int) -> None:
        self._session.chosen.bundle = self._names[index]
        self._show_card(self._ui.showCardButton.checked)

    def _show_card(self, wanted: bool) -> None:
        browser = self._ui.cardTextBrowser
        browser.setVisible(wanted)
        if not wanted or self._session.chosen is None:
            return
        try:
            browser.setMarkdown(read_card(self._session.chosen.bundle))
        except InputError as error:
            browser.setPlainText(str(error))

    def _add(self, source: str) -> None:
        if not source.strip():
            self._session.runs.say(
                _("Name the folder, the zip file or the address of a model first.")
            )
            return
        command = ["bundle", "add", source.strip()]
        digest = self._ui.bundleHashLineEdit.text.strip()
        if digest:
            command.append(f"--sha256={digest}")
        self._session.runs.start("bundle", command, self._added)

    def _added(self, result: Mapping[str, Any]) -> None:
        if self._session.chosen is not None:
            self._session.chosen.bundle = result["bundle"]

    def _remove(self) -> None:
        chosen = self._session.chosen
        try:
            remove_bundle(chosen.bundle)
        except (InputError, OSError) as error:
            self._session.runs.say(str(error))
            return
        chosen.bundle = DEFAULT_BUNDLE
