"""What the panel's lines say: no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MRNDiagnosisLib.panel_facts import Facts, Kind, Line, RoiFacts, busy
from MRNDiagnosisLib.translation import tr as _
from MRNLib.anatomy import NOT_ATYPICAL, ROI_NAMES
from MRNLib.rois import STRAYS

if TYPE_CHECKING:
    from MRNLib.examination import Examination


def lines(facts: Facts) -> dict[str, Line]:
    """Every line that changes, by widget name."""
    return {
        "bannerLabel": _banner(facts),
        "inputsLabel": _inputs(facts),
        "nucleiLabel": _nuclei(facts),
        "roisLabel": _rois(facts),
        "statusLabel": _status(facts),
        "freshnessLabel": _freshness(facts),
        "bundleLabel": _bundle(facts),
        "cacheLabel": _cache(facts),
        "batchLabel": _batch(facts),
        "setupLabel": _setup(facts),
    } | {**_roi_table(facts), **_result(facts)}


def _cache(facts: Facts) -> Line:
    size = f"{facts.cache_megabytes:.1f}"
    return Line(_("{size} MB, removed when Slicer is closed").format(size=size))


def _banner(facts: Facts) -> Line:
    """What stands in the way of everything else."""
    if facts.too_old:
        return Line(facts.too_old, "error")
    if facts.missing:
        return Line(
            _(
                "This computer lacks packages that the module needs. Install them once under "
                "Setup, at the end of this panel."
            ),
            "warning",
        )
    return Line()


def _echo(facts: Facts) -> str:
    """What is being done, for the section that it was started in."""
    return f"{busy(facts.running)} {round(100 * facts.fraction)} %"


def _inputs(facts: Facts) -> Line:
    if facts.running == "sample":
        return Line(_echo(facts))
    if not facts.qsm and not facts.nm:
        return Line(_("Choose a QSM and a neuromelanin (NM) volume of one patient."))
    if not facts.qsm or not facts.nm:
        other = "NM" if facts.qsm else "QSM"
        return Line(_("Choose the {modality} volume too.").format(modality=other))
    if facts.problem:
        return Line(facts.problem, "error")
    if not facts.checked:
        return Line(_("Looking at the volumes …"))
    if facts.doubts:
        return Line(facts.doubts, "warning")
    return Line(_("The grids fit; that both are of one patient cannot be checked."), "good")


def _nuclei(facts: Facts) -> Line:
    if facts.running == "segment":
        return Line(_echo(facts))
    if facts.outline_problem:
        return Line(facts.outline_problem, "error")
    if not facts.masks:
        return Line(_("No outlines yet. Segment, or import masks; Diagnose draws what is missing."))
    if len(facts.masks) == 1:
        other = "NM" if "QSM" in facts.masks else "QSM"
        said = _("Only {modality} outlines are there; Diagnose draws the {other} ones.")
        return Line(said.format(modality=facts.masks[0], other=other))
    return Line(_("QSM and NM outlines are there. Diagnose uses them as they are."), "good")


def _rois(facts: Facts) -> Line:
    if facts.roi_problem:
        return Line(facts.roi_problem, "error")
    if not facts.rois:
        return Line(_("The boxes appear as soon as there are outlines."))
    said = []
    if facts.moved:
        by_hand = _("Set by hand: {rois}; the other boxes follow the outlines.")
        said.append(by_hand.format(rois=", ".join(facts.moved)))
    else:
        said.append(_("The boxes follow the outlines. Drag one in a view to set it by hand."))
    if facts.unused:
        said.append(_("Left out: {rois}.").format(rois=", ".join(facts.unused)))
    return Line(" ".join(said))


def _roi_table(facts: Facts) -> dict[str, Line]:
    """Slices, size and what was noticed, for each ROI."""
    known = {roi.name: roi for roi in facts.rois}
    table = {}
    for name in ROI_NAMES:
        roi = known.get(name, RoiFacts(name))
        size = " × ".join(f"{mm:.0f}" for mm in roi.size_mm) if roi.slices else "–"
        table[f"slices{name}Label"] = Line(str(roi.slices or "–"))
        table[f"size{name}Label"] = Line(size)
        table[f"check{name}Label"] = _check(roi, name in known, name in facts.unused)
    return table


def _check(roi: RoiFacts, known: bool, unused: bool) -> Line:
    if not known:
        return Line(_("no outlines yet"))
    if roi.notes:
        return Line("\n".join(_in_row(roi.name, text) for text in roi.notes), "warning")
    if not roi.slices:
        return Line(_("no outlines yet"))
    words = _("set by hand") if roi.by_hand else _("present")
    if unused:
        return Line(_("{state}, left out").format(state=words))
    return Line(words, "good")


def _in_row(name: str, text: str) -> str:
    """A library's sentence about a ROI in the ROI's own row: short, and without its name."""
    said = text.removeprefix(f"ROI {name}").removeprefix(":").strip()
    return said.replace(STRAYS, _("stray voxels ignored"))


def _status(facts: Facts) -> Line:
    if facts.cancelling:
        return Line(_("Cancelling …"))
    if facts.running:
        return Line(facts.message or _("Starting …"))
    if facts.cancelled:
        return Line(_("Cancelled. The scene is as it was."))
    if facts.ended:
        return Line(facts.ended, "error")
    shown = facts.result.warnings if facts.result is not None else ()
    if facts.notes and set(facts.notes) <= set(shown):
        said = _("Warnings: {number}, in the tab below.")
        return Line(said.format(number=len(facts.notes)), "warning")
    return Line("\n".join(facts.notes), "warning") if facts.notes else Line()


def _freshness(facts: Facts) -> Line:
    if facts.result is None or not facts.changes:
        return Line()
    said = [_("This result is out of date."), *facts.changes]
    if facts.recompute:
        said.append(_("Diagnose again: {what}").format(what=facts.recompute))
    return Line("\n".join(said), "warning")


def _result(facts: Facts) -> dict[str, Line]:
    shown = facts.result
    if shown is None:
        names = ("probabilityLabel", "robustnessLabel", "warningsLabel", "notesLabel")
        return {name: Line() for name in names} | {"headlineLabel": Line(_("No result yet."))}
    votes = ", ".join(f"{fold.probability_pd:.2f}" for fold in shown.folds)
    spread = _("folds: {votes} (spread {spread})")
    said = [
        _("decision: {decision}").format(decision=shown.decision),
        spread.format(votes=votes, spread=f"{shown.spread:.2f}"),
    ]
    if shown.demonstration:
        # Its headline has no number.
        said.insert(0, f"P(PD) = {shown.probability_pd:.2f}")
    if shown.phantom:
        said.append(_("digital phantom, not a patient"))
    number = f"{' · '.join(said)}\n{shown.notice}"
    return {
        "headlineLabel": _headline(facts, shown),
        "probabilityLabel": Line(number),
        "robustnessLabel": Line(f"{shown.robustness}\n{NOT_ATYPICAL}".strip()),
    } | _warnings(shown)


def _headline(facts: Facts, shown: Examination) -> Line:
    """Whose result it is, and whether it is that of what is chosen as it is now."""
    names = {"case": shown.identifier, "headline": shown.headline}
    if facts.elsewhere:
        said = _("Result of '{case}', not of what is chosen: {headline}")
        return Line(said.format(**names), "warning")
    if facts.changes:
        return Line(_("Out of date: {case}: {headline}").format(**names), "warning")
    kind: Kind = "warning" if shown.demonstration else "plain"
    return Line(_("{case}: {headline}").format(**names), kind)


def _warnings(shown: Examination) -> dict[str, Line]:
    """Each warning once, and below them where the masks come from, which is none."""
    said = list(dict.fromkeys(shown.warnings))
    for roi in shown.rois:
        said += [f"{roi.name}: {text}" for text in roi.warnings if text not in said]
    listed = "\n".join(f"• {text}" for text in said)
    return {
        "warningsLabel": Line(listed, "warning") if said else Line(_("No warnings."), "good"),
        "notesLabel": Line("\n".join(t for t in shown.segmentation_notes if t not in said)),
    }


def _bundle(facts: Facts) -> Line:
    if facts.running == "bundle":
        return Line(_echo(facts))
    return Line("" if facts.bundle else _("Choose a model."))


def _batch(facts: Facts) -> Line:
    batch = facts.batch
    if batch.problem:
        return Line(batch.problem, "error")
    if not batch.cases:
        return Line(_("One folder for each case, with QSM.nii.gz and NM.nii.gz in it."))
    said = _("{done} of {cases} cases done").format(done=batch.done, cases=batch.cases)
    if facts.running == "batch":
        return Line(f"{said}. {facts.message}\n{batch.note}".strip())
    if batch.failed:
        failed = _("{said}, {failed} failed (hover over a row for the reason).")
        return Line(failed.format(said=said, failed=batch.failed), "warning")
    return Line(f"{said}.", "good" if batch.done == batch.cases else "plain")


def _setup(facts: Facts) -> Line:
    if facts.running == "setup":
        return Line(f"{_echo(facts)} {facts.message}")
    if facts.setup_error:
        return Line(facts.setup_error, "error")
    if facts.too_old:
        return Line(facts.too_old, "error")
    if facts.missing:
        said = _("Not installed: {packages}.").format(packages=", ".join(facts.missing))
        return Line(said, "warning")
    return Line(_("All packages are installed."), "good")
