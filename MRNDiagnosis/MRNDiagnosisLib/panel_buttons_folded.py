"""The buttons of the sections that are folded at first: Advanced, Batch, Setup, Export. No Qt."""

from __future__ import annotations

from MRNDiagnosisLib.panel_facts import Button, Facts, busy
from MRNDiagnosisLib.panel_reasons import button, can_run, no_outlines, no_result
from MRNDiagnosisLib.translation import tr as _


def folded_buttons(facts: Facts) -> dict[str, Button]:
    """Their buttons by widget name."""
    return _advanced(facts) | _batch(facts) | _setup(facts) | _export(facts)


def _advanced(facts: Facts) -> dict[str, Button]:
    ready = can_run(facts)
    return {
        "addBundleFolderButton": button(_("Add a model from a folder or a zip file."), *ready),
        "addBundleUrlButton": button(
            _("Download a model from the address beside it; its SHA-256 is checked."), *ready
        ),
        "removeBundleButton": button(
            _("Remove the model {model} from this computer.").format(model=facts.bundle),
            busy(facts.running),
            "" if facts.bundle_added else _("The model that comes with the module stays."),
        ),
        "showCardButton": button(
            _("Show what the model was trained on, and how well it does."),
            "" if facts.bundle else _("No model is chosen."),
        ),
        "clearCacheButton": button(
            _("Forget what is kept between runs; the next diagnosis takes longer."),
            busy(facts.running),
            "" if facts.cache_megabytes else _("Nothing is kept."),
        ),
    }


def _batch(facts: Facts) -> dict[str, Button]:
    batch = facts.batch
    chosen = "" if batch.folder else _("Choose the folder that holds the cases first.")
    out = "" if batch.out else _("Choose the folder for the results first.")
    finished = batch.cases and batch.done == batch.cases
    left = bool(batch.done) and not finished
    return {
        "batchStartButton": button(
            _("Diagnose every case of the folder; cases that are done already are passed over."),
            *can_run(facts),
            chosen,
            out,
            text=_("Continue") if left else _("Start"),
        ),
        "batchStopButton": button(
            _("Cancel the case that is running; Continue goes on from there."),
            "" if facts.running == "batch" else _("No batch is running."),
            _("Stopping: the running case is being cancelled.") if facts.cancelling else "",
        ),
    }


def _setup(facts: Facts) -> dict[str, Button]:
    done = "" if facts.missing else _("All packages are installed.")
    return {
        "installButton": button(
            _("Install PyTorch (through the PyTorch extension) and the other packages."),
            facts.too_old,
            busy(facts.running),
            done,
        ),
        "installFolderButton": button(
            _("Install from the folder of wheels beside it, for computers without internet."),
            facts.too_old,
            busy(facts.running),
            done,
        ),
        "checkSetupButton": button(
            _("Look again which packages are installed."), facts.too_old, busy(facts.running)
        ),
    }


def _export(facts: Facts) -> dict[str, Button]:
    waits = busy(facts.running)
    none = "" if facts.result is not None else no_result()
    return {
        "exportReportButton": button(
            _("Copy report, JSON, biomarkers, figures and masks into the folder."),
            waits,
            none,
            ""
            if facts.files
            else _("The files of an earlier session are not kept with the scene: diagnose again."),
        ),
        "exportJsonButton": button(_("Write the result alone as diagnosis.json."), waits, none),
        "exportMasksButton": button(
            _("Write the outlines as they are now as two label maps."),
            waits,
            "" if facts.masks else no_outlines(),
        ),
        "exportDicomButton": button(
            _("Write the outlines as DICOM segmentations (DICOM SEG)."),
            waits,
            "" if facts.masks else no_outlines(),
            "" if facts.dicom else _("The volumes were not loaded from the DICOM database."),
        ),
    }
