"""Draws the panel from MRNDiagnosis.ui without Slicer.

    python Testing/mrml/render_panel.py panel.png

Slicer's own widgets (node selectors, the Segment Editor, tables, the chart) are replaced by plain
stand-ins, so the picture shows layout, texts and state, not what Slicer draws.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path[:0] = [str(ROOT), str(ROOT / "MRNDiagnosis"), str(ROOT / "Testing")]

WIDTH = 520
UI = ROOT / "MRNDiagnosis" / "Resources" / "UI" / "MRNDiagnosis.ui"
# What the selectors and the chart show in the picture.
NODES = {
    "qsmSelector": "Demo patient (PD) QSM",
    "nmSelector": "Demo patient (PD) NM",
    "t1Selector": "None",
    "qsmSegmentationSelector": "Demo patient (PD) QSM nuclei",
    "nmSegmentationSelector": "Demo patient (PD) NM nuclei",
}


def load() -> tuple[Any, Any]:
    """The panel with stand-ins, and its widgets by name."""
    import stand_ins
    from PySide6.QtUiTools import QUiLoader
    from PySide6.QtWidgets import QWidget

    loader = QUiLoader()
    for kind in stand_ins.KINDS:
        loader.registerCustomWidget(kind)
    panel = loader.load(str(UI))
    widgets = {child.objectName(): child for child in panel.findChildren(QWidget)}
    return panel, SimpleNamespace(**{name: child for name, child in widgets.items() if name})


def fill(ui: Any) -> None:
    """A result on the demo patient whose QSM2 box was moved afterwards."""
    import stand_ins
    from MRNDiagnosisLib.panel import present
    from MRNDiagnosisLib.panel_facts import Facts, RoiFacts
    from MRNDiagnosisLib.panel_view import apply
    from report_helpers import examination

    from MRNLib.decision import headline

    for name, text in NODES.items():
        getattr(ui, name).show_text(text)
    shown = examination(
        identifier="Demo patient (PD)",
        phantom=True,
        trained_on="phantom",
        headline=headline("PD", 0.8, (), phantom=True),
    )
    sizes = {"NM": (35, 21, 14), "QSM1": (77, 72, 34), "QSM2": (39, 25, 16), "QSM3": (48, 28, 18)}
    rois = tuple(
        RoiFacts(name, size[2] // 2, tuple(map(float, size)), by_hand=name == "QSM2")
        for name, size in sizes.items()
    )
    facts = Facts(
        qsm="QSM",
        nm="NM",
        checked=True,
        masks=("QSM", "NM"),
        rois=rois,
        result=shown,
        changes=("QSM2: its box moved.",),
        recompute="Reads QSM2 with the model again; the other ROIs are kept.",
        files=True,
        bundle="phantom-tiny",
    )
    apply(present(facts), ui)
    rows = [
        (", ".join(row.masked) or "none", f"{row.probability_pd:.2f}", f"{row.change:.2f}")
        for row in shown.masking
    ]
    titles = ("Left out", "P(PD)", "Change")
    stand_ins.fill_table(ui.maskingTableView, titles, rows, list(range(len(rows))))
    ui.maskingPlotWidget.show_bars([row.probability_pd for row in shown.masking])


def main(target: str) -> None:
    """Draws the panel into a PNG file."""
    from PySide6.QtWidgets import QApplication

    QApplication(sys.argv[:1])
    panel, ui = load()
    fill(ui)
    panel.resize(WIDTH, 100)
    panel.show()
    QApplication.processEvents()
    panel.resize(WIDTH, panel.layout().heightForWidth(WIDTH))
    QApplication.processEvents()
    panel.grab().save(target)
    print(f"{target}: {panel.width()} x {panel.height()}")


if __name__ == "__main__":
    main(sys.argv[1])
