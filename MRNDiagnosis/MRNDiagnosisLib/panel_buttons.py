"""Which buttons can be clicked, and why the others cannot: no Qt."""

from __future__ import annotations

from MRNDiagnosisLib.panel_facts import BUSY, Button, Facts
from MRNLib.anatomy import ROI_NAMES

# Without a view of the substantia nigra the library refuses to diagnose.
NIGRA = {"NM", "QSM2"}
NO_VOLUMES = "Choose a QSM and an NM volume first."
NO_OUTLINES = "There are no outlines yet: segment the nuclei or import masks first."
NO_RESULT = "There is no result yet: diagnose first."


def buttons(facts: Facts) -> dict[str, Button]:
    """Every button whose state changes, by widget name."""
    return (
        _inputs(facts)
        | _nuclei(facts)
        | _rois(facts)
        | _diagnosis(facts)
        | _advanced(facts)
        | _batch(facts)
        | _setup(facts)
        | _export(facts)
    )


def _button(tip: str, *reasons: str, text: str | None = None) -> Button:
    """A button that the first reason among ``reasons`` disables."""
    reason = next(filter(None, reasons), "")
    return Button(not reason, reason or tip, text)


def _can_run(facts: Facts) -> tuple[str, ...]:
    """Why no run can be started, most fundamental first."""
    needed = ", ".join(facts.missing)
    return (
        facts.too_old,
        BUSY[facts.running],
        f"Packages are missing ({needed}): install them under Setup." if needed else "",
    )


def _volumes(facts: Facts) -> str:
    if facts.qsm and not facts.nm:
        return "Choose an NM volume too."
    if facts.nm and not facts.qsm:
        return "Choose a QSM volume too."
    return "" if facts.qsm else NO_VOLUMES


def _usable(facts: Facts) -> tuple[str, ...]:
    waiting = "" if facts.checked else "The volumes are being looked at."
    return (_volumes(facts), facts.problem, waiting)


def _inputs(facts: Facts) -> dict[str, Button]:
    tip = "Make a digital patient {} on this computer and load it. It takes a few seconds."
    ready = _can_run(facts)
    return {
        "demoPdButton": _button(tip.format("with Parkinson's disease"), *ready),
        "demoHcButton": _button(tip.format("without Parkinson's disease"), *ready),
        "swapButton": _button(
            "Exchange the two volumes: the one chosen as QSM becomes NM.",
            BUSY[facts.running],
            "" if facts.qsm or facts.nm else NO_VOLUMES,
        ),
    }


def _nuclei(facts: Facts) -> dict[str, Button]:
    busy = BUSY[facts.running]
    tip = "Outline the 16 nuclei in the QSM and the substantia nigra in the NM volume."
    if facts.masks:
        tip += " The outlines that are there now are replaced."
    found = {
        "segmentButton": _button(tip, *_can_run(facts), *_usable(facts)),
        "importQsmMaskButton": _button(
            "Read a label map of the 16 nuclei (challenge numbering) that you already have.",
            facts.too_old,
            busy,
            "" if facts.qsm else "Choose a QSM volume first.",
        ),
        "importNmMaskButton": _button(
            "Read a label map of the substantia nigra in the NM volume that you already have.",
            facts.too_old,
            busy,
            "" if facts.nm else "Choose an NM volume first.",
        ),
    }
    for modality, name in (("QSM", "editQsmButton"), ("NM", "editNmButton")):
        found[name] = _button(
            f"Correct the {modality} outlines with the editor below.",
            busy,
            "" if modality in facts.masks else f"There are no {modality} outlines yet.",
        )
    return found


def _rois(facts: Facts) -> dict[str, Button]:
    shown = {roi.name for roi in facts.rois if roi.slices}
    none = "" if shown else NO_OUTLINES
    go = {
        f"go{name}Button": _button(
            f"Show {name} in the slice views.", "" if name in shown else f"{name} has no box."
        )
        for name in ROI_NAMES
    }
    return go | {
        "reviewButton": _button(
            "Show the four ROIs side by side with their outlines.", BUSY[facts.running], none
        ),
        "resetBoxesButton": _button(
            "Put the boxes set by hand back around the outlines.",
            BUSY[facts.running],
            none,
            "" if facts.moved else "All boxes follow the outlines already.",
        ),
    }


def _diagnosis(facts: Facts) -> dict[str, Button]:
    nigra = ""
    if set(facts.unused) >= NIGRA:
        nigra = "NM and QSM2, the ROIs with the substantia nigra, are both switched off."
    tip = "Classify this examination, measure the nuclei and write the report."
    if facts.result is not None and facts.recompute:
        tip = facts.recompute
    elif len(facts.masks) < 2:
        tip += " Outlines that are missing are drawn first."
    cancelling = "Cancelling: it stops within a few seconds." if facts.cancelling else ""
    return {
        "diagnoseButton": _button(
            tip,
            *_can_run(facts),
            *_usable(facts),
            facts.outline_problem,
            facts.roi_problem,
            nigra,
            text="Diagnose again" if facts.result is not None else "Diagnose",
        ),
        "cancelButton": _button(
            "Stop the run. The scene stays as it is.",
            "" if facts.running else "Nothing is running.",
            "Installing cannot be cancelled here." if facts.running == "setup" else "",
            cancelling,
        ),
        "reportButton": _button(
            "Open the report of this result in the web browser.",
            "" if facts.result is not None else NO_RESULT,
            ""
            if facts.files
            else "The report of an earlier session is not kept with the scene: diagnose again.",
        ),
    }


def _advanced(facts: Facts) -> dict[str, Button]:
    ready = _can_run(facts)
    return {
        "addBundleFolderButton": _button("Add a model from a folder or a zip file.", *ready),
        "addBundleUrlButton": _button(
            "Download a model from the address beside it; its SHA-256 is checked.", *ready
        ),
        "removeBundleButton": _button(
            f"Remove the model {facts.bundle} from this computer.",
            BUSY[facts.running],
            "" if facts.bundle_added else "The model that comes with the module stays.",
        ),
        "showCardButton": _button(
            "Show what the model was trained on, and how well it does.",
            "" if facts.bundle else "No model is chosen.",
        ),
        "clearCacheButton": _button(
            "Forget what is kept between runs; the next diagnosis takes longer.",
            BUSY[facts.running],
            "" if facts.cache_megabytes else "Nothing is kept.",
        ),
    }


def _batch(facts: Facts) -> dict[str, Button]:
    batch = facts.batch
    chosen = "" if batch.folder else "Choose the folder that holds the cases first."
    out = "" if batch.out else "Choose the folder for the results first."
    finished = batch.cases and batch.done == batch.cases
    left = bool(batch.done) and not finished
    return {
        "batchStartButton": _button(
            "Diagnose every case of the folder; cases that are done already are passed over.",
            *_can_run(facts),
            chosen,
            out,
            text="Continue" if left else "Start",
        ),
        "batchStopButton": _button(
            "Cancel the case that is running; Continue goes on from there.",
            "" if facts.running == "batch" else "No batch is running.",
            "Stopping: the running case is being cancelled." if facts.cancelling else "",
        ),
    }


def _setup(facts: Facts) -> dict[str, Button]:
    done = "" if facts.missing else "All packages are installed."
    return {
        "installButton": _button(
            "Install PyTorch (through the PyTorch extension) and the other packages.",
            facts.too_old,
            BUSY[facts.running],
            done,
        ),
        "installFolderButton": _button(
            "Install from the folder of wheels beside it, for computers without internet.",
            facts.too_old,
            BUSY[facts.running],
            done,
        ),
        "checkSetupButton": _button(
            "Look again which packages are installed.", facts.too_old, BUSY[facts.running]
        ),
    }


def _export(facts: Facts) -> dict[str, Button]:
    busy = BUSY[facts.running]
    none = "" if facts.result is not None else NO_RESULT
    return {
        "exportReportButton": _button(
            "Copy report, JSON, biomarkers, figures and masks into the folder.",
            busy,
            none,
            ""
            if facts.files
            else "The files of an earlier session are not kept with the scene: diagnose again.",
        ),
        "exportJsonButton": _button("Write the result alone as diagnosis.json.", busy, none),
        "exportMasksButton": _button(
            "Write the outlines as they are now as two label maps.",
            busy,
            "" if facts.masks else NO_OUTLINES,
        ),
        "exportDicomButton": _button(
            "Write the outlines as DICOM segmentations (DICOM SEG).",
            busy,
            "" if facts.masks else NO_OUTLINES,
            "" if facts.dicom else "The volumes were not loaded from the DICOM database.",
        ),
    }
