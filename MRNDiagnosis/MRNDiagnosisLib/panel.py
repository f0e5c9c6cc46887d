"""What the panel says and what can be clicked, computed from plain facts: no Qt, no MRML.

:func:`present` is the whole of it: the same facts give the same panel, so each state of the panel
is a row in a test. ``panel_view`` puts the answer on the screen.
"""

from __future__ import annotations

from MRNDiagnosisLib.panel_buttons import buttons
from MRNDiagnosisLib.panel_facts import Facts, PanelState
from MRNDiagnosisLib.panel_lines import lines


def present(facts: Facts) -> PanelState:
    """The panel for these facts."""
    percent = min(max(round(100 * facts.fraction), 0), 100)
    return PanelState(
        buttons(facts),
        lines(facts),
        percent if facts.running else None,
        bool(facts.result or facts.running or facts.ended),
        facts.result is not None,
    )
