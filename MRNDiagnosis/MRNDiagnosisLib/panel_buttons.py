"""Which buttons can be clicked, and why the others cannot: no Qt."""

from __future__ import annotations

from MRNDiagnosisLib.panel_buttons_folded import folded_buttons
from MRNDiagnosisLib.panel_facts import Button, Facts, busy
from MRNDiagnosisLib.panel_reasons import button, can_run, no_outlines, no_result, no_volumes
from MRNDiagnosisLib.translation import tr as _
from MRNLib.anatomy import ROI_NAMES
from MRNLib.rois import WITH_NIGRA


def buttons(facts: Facts) -> dict[str, Button]:
    """Every button whose state changes, by widget name."""
    open_at_first = _inputs(facts) | _nuclei(facts) | _rois(facts) | _diagnosis(facts)
    return open_at_first | folded_buttons(facts)


def _volumes(facts: Facts) -> str:
    if facts.qsm and not facts.nm:
        return _("Choose an NM volume too.")
    if facts.nm and not facts.qsm:
        return _("Choose a QSM volume too.")
    return "" if facts.qsm else no_volumes()


def _usable(facts: Facts) -> tuple[str, ...]:
    waiting = "" if facts.checked else _("The volumes are being looked at.")
    return (_volumes(facts), facts.problem, waiting)


def _inputs(facts: Facts) -> dict[str, Button]:
    ready = can_run(facts)
    return {
        "demoPdButton": button(
            _(
                "Make a digital patient with Parkinson's disease on this computer and load it. "
                "It takes a few seconds."
            ),
            *ready,
        ),
        "demoHcButton": button(
            _(
                "Make a digital patient without Parkinson's disease on this computer and load it. "
                "It takes a few seconds."
            ),
            *ready,
        ),
        "swapButton": button(
            _("Exchange the two volumes: the one chosen as QSM becomes NM."),
            busy(facts.running),
            "" if facts.qsm or facts.nm else no_volumes(),
        ),
    }


def _nuclei(facts: Facts) -> dict[str, Button]:
    waits = busy(facts.running)
    tip = _("Outline the 16 nuclei in the QSM and the substantia nigra in the NM volume.")
    if facts.masks:
        tip += " " + _(
            "Outlines that a run drew are replaced; what was drawn or corrected by hand stays "
            "beside them."
        )
    found = {
        "segmentButton": button(tip, *can_run(facts), *_usable(facts)),
        "importQsmMaskButton": button(
            _("Read a label map of the 16 nuclei (challenge numbering) that you already have."),
            facts.too_old,
            waits,
            "" if facts.qsm else _("Choose a QSM volume first."),
        ),
        "importNmMaskButton": button(
            _("Read a label map of the substantia nigra in the NM volume that you already have."),
            facts.too_old,
            waits,
            "" if facts.nm else _("Choose an NM volume first."),
        ),
    }
    for modality, name in (("QSM", "editQsmButton"), ("NM", "editNmButton")):
        found[name] = button(
            _("Correct the {modality} outlines with the editor below.").format(modality=modality),
            waits,
            ""
            if modality in facts.masks
            else _("There are no {modality} outlines yet.").format(modality=modality),
        )
    return found


def _rois(facts: Facts) -> dict[str, Button]:
    shown = {roi.name for roi in facts.rois if roi.slices}
    none = "" if shown else no_outlines()
    go = {
        f"go{name}Button": button(
            _("Show {roi} in the slice views.").format(roi=name),
            "" if name in shown else _("{roi} has no box.").format(roi=name),
        )
        for name in ROI_NAMES
    }
    return go | {
        "reviewButton": button(
            _("Show the four ROIs side by side with their outlines."), busy(facts.running), none
        ),
        "resetBoxesButton": button(
            _("Put the boxes set by hand back around the outlines."),
            busy(facts.running),
            none,
            "" if facts.moved else _("All boxes follow the outlines already."),
        ),
    }


def _diagnosis(facts: Facts) -> dict[str, Button]:
    nigra = ""
    if set(facts.unused) >= set(WITH_NIGRA):
        nigra = _("NM and QSM2, the ROIs with the substantia nigra, are both switched off.")
    tip = _("Classify this examination, measure the nuclei and write the report.")
    if facts.result is not None and facts.recompute:
        tip = facts.recompute
    elif len(facts.masks) < 2:
        tip += " " + _("Outlines that are missing are drawn first.")
    cancelling = _("Cancelling: it stops within a few seconds.") if facts.cancelling else ""
    return {
        "diagnoseButton": button(
            tip,
            *can_run(facts),
            *_usable(facts),
            facts.outline_problem,
            facts.roi_problem,
            nigra,
            text=_("Diagnose again") if facts.result is not None else _("Diagnose"),
        ),
        "cancelButton": button(
            _("Stop the run. The scene stays as it is."),
            "" if facts.running else _("Nothing is running."),
            _("Installing cannot be cancelled here.") if facts.running == "setup" else "",
            cancelling,
        ),
        "reportButton": button(
            _("Open the report of this result in the web browser."),
            "" if facts.result is not None else no_result(),
            ""
            if facts.files
            else _("The report of an earlier session is not kept with the scene: diagnose again."),
        ),
    }
