"""Puts a panel's state on the screen. Setters only, so that any Qt binding will do."""

from __future__ import annotations

from typing import Any

from MRNDiagnosisLib.panel_facts import Kind, PanelState

# Colours that can be read on a light and on a dark background; the sign says it without colour.
COLORS: dict[Kind, str] = {
    "plain": "",
    "good": "color: #2e8b57;",
    "warning": "color: #c77700;",
    "error": "color: #d64541;",
}
SIGNS: dict[Kind, str] = {"plain": "", "good": "✓ ", "warning": "⚠ ", "error": "✕ "}
# The tabs of resultTabs that a result fills; the last one is the log.
RESULT_TABS = (0, 1, 2)
# Labels that are not small print.
BOLD = {"headlineLabel": "font-weight: bold; font-size: 13pt;"}


def apply(state: PanelState, ui: Any) -> None:
    """Shows ``state`` in the widgets of ``ui``, which has one attribute for each name."""
    for name, button in state.buttons.items():
        widget = getattr(ui, name)
        widget.setEnabled(button.enabled)
        widget.setToolTip(button.tip)
        if button.text is not None:
            widget.setText(button.text)
    for name, line in state.lines.items():
        label = getattr(ui, name)
        label.setText(SIGNS[line.kind] + line.text if line.text else "")
        label.setStyleSheet(COLORS[line.kind] + BOLD.get(name, ""))
        label.setVisible(bool(line.text))
    ui.progressBar.setVisible(state.progress is not None)
    ui.progressBar.setValue(state.progress or 0)
    ui.resultTabs.setVisible(state.details)
    for number in RESULT_TABS:
        ui.resultTabs.setTabVisible(number, state.result)
