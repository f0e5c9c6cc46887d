"""All sections of the panel, wired. Qt inside Slicer."""

from __future__ import annotations

from typing import Any

from MRNDiagnosisLib import (
    panel_advanced,
    panel_batch,
    panel_export,
    panel_nuclei,
    panel_result,
    panel_rois,
    panel_setup,
    sample_data,
    work,
)
from MRNDiagnosisLib.session import Session


def wire(ui: Any, session: Session) -> dict[str, Any]:
    """Connects every button with what it does.

    Args:
        ui: The panel's widgets by name.
        session: The session.

    Returns:
        The sections by name.
    """
    demos = (ui.demoPdButton, ui.demoHcButton)
    for button, sample in zip(demos, sample_data.SAMPLES, strict=True):
        button.connect("clicked()", lambda sample=sample: work.make_demo(session, sample))
    ui.swapButton.connect("clicked()", lambda: work.swap(session))
    return {
        "nuclei": panel_nuclei.NucleiPart(ui, session),
        "rois": panel_rois.RoisPart(ui, session),
        "result": panel_result.ResultPart(ui, session),
        "advanced": panel_advanced.AdvancedPart(ui, session),
        "setup": panel_setup.SetupPart(ui, session),
        "batch": panel_batch.BatchPart(ui, session),
        "export": panel_export.ExportPart(ui, session),
    }
