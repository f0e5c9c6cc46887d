"""Every state of the panel in Qt's own widgets, made from MRNDiagnosis.ui as Slicer makes them.

Each state is one test, so their number is pytest's. Slicer's own widgets are plain stand-ins, and
Slicer speaks to Qt through PythonQt instead of PySide.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

# Qt's own libraries (libEGL, libGL) come with the system, not with PySide6.
pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

import render_panel
from MRNDiagnosisLib.panel import present
from MRNDiagnosisLib.panel_facts import Facts
from MRNDiagnosisLib.panel_view import SIGNS, apply
from panel_examples import done
from panel_states import each_state
from PySide6.QtWidgets import QApplication


@pytest.fixture(scope="module")
def shown():
    """The panel on an offscreen display, and its widgets by name."""
    application = QApplication.instance() or QApplication([])
    panel, ui = render_panel.load()
    panel.resize(render_panel.WIDTH, 2000)
    panel.show()
    application.processEvents()
    yield panel, ui
    panel.close()


@each_state("facts enabled tip label text")
def test_state(shown, facts, enabled, tip, label, text):
    ui, state = shown[1], present(facts)
    apply(state, ui)
    assert ui.diagnoseButton.isEnabled() is enabled
    assert tip in ui.diagnoseButton.toolTip()
    assert text in getattr(ui, label).text()
    for name, line in state.lines.items():
        widget = getattr(ui, name)
        assert widget.isHidden() is (not line.text), name
        assert widget.text().startswith(SIGNS[line.kind] if line.text else ""), name
    for name, button in state.buttons.items():
        widget = getattr(ui, name)
        assert widget.isEnabled() is button.enabled, name
        assert widget.toolTip() == button.tip, name
        assert button.text in (None, widget.text()), name
    assert ui.progressBar.isHidden() is (not facts.running)
    assert ui.resultTabs.isHidden() is (not state.details)
    tabs = [ui.resultTabs.isTabVisible(number) for number in range(ui.resultTabs.count())]
    assert tabs == [*[state.result] * 3, True]


def test_states_are_drawn(shown):
    panel, ui = shown
    pictures = []
    for facts in (Facts(), done(), done(changes=("QSM2: its box moved.",))):
        apply(present(facts), ui)
        QApplication.processEvents()
        pictures.append(panel.grab().toImage())
    assert pictures[0].width() >= render_panel.WIDTH
    assert all(first != second for first, second in pairwise(pictures))
