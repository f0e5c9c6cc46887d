"""What a session does when something is clicked: segment, import, diagnose, make a demo patient."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MRNDiagnosisLib import (
    boxes,
    freshness,
    loading,
    outlines,
    results,
    rois,
    sample_data,
    segmentations,
    settings,
    views,
)
from MRNDiagnosisLib.case import Inputs, prepare
from MRNDiagnosisLib.freshness import Fingerprint
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.volumes import canonical_grid
from MRNLib.casefiles import Case
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters

if TYPE_CHECKING:
    from MRNLib.examination import Examination


def preselect(session: Session) -> None:
    """Chooses the volumes whose names say what they are, where nothing is chosen yet.

    Of several only those of one patient are chosen, where the subject hierarchy tells which.
    """
    chosen = session.chosen
    if chosen.qsm is None and chosen.nm is None:
        for field, node in loading.plainly_named(session.scene).items():
            setattr(chosen, field, node)


def swap(session: Session) -> None:
    """Exchanges the two volumes."""
    chosen = session.chosen
    chosen.qsm, chosen.nm = chosen.nm, chosen.qsm


def segment(session: Session) -> None:
    """Outlines the nuclei in both volumes; outlines that are not a run's own stay beside them."""
    chosen, inputs = session.chosen, settings.volumes_of(session.chosen)
    start = settings.inputs_of(chosen, {})
    try:
        parameters = session.parameters()
    except InputError as error:
        session.runs.say(str(error))
        return

    def take(result: Mapping[str, Any]) -> None:
        if session.has(chosen):
            outlines.show_masks(session, result["files"], start)
            session.look()
            centre(session)

    session.runs.start(
        "segment", "segment", take, lambda folder: prepare(inputs, folder), parameters
    )


def diagnose(session: Session) -> None:
    """Makes a diagnosis of what is chosen now; outlines that are missing are drawn."""
    chosen = session.chosen
    try:
        inputs = session.inputs()
        parameters = replace(session.parameters(), boxes=inputs.boxes())
        start = session.fingerprint()
    except InputError as error:
        session.runs.say(str(error))
        return

    def take(result: Mapping[str, Any]) -> None:
        if session.has(chosen):  # else the scene was closed meanwhile
            _take_diagnosis(session, result["files"], inputs, parameters, start)

    session.runs.start(
        "diagnose",
        "diagnose",
        take,
        lambda folder: prepare(inputs, folder),
        parameters,
        session.folder / "result",
    )


def _take_diagnosis(
    session: Session,
    files: Mapping[str, str],
    inputs: Inputs,
    parameters: Parameters,
    start: Fingerprint,
) -> None:
    examination = results.read(Path(files["diagnosis.json"]))
    drawn = [name for name in outlines.MODALITIES if name not in start.masks]
    shown = outlines.show_masks(session, files, inputs, drawn)
    text = _show(session, examination, inputs, session.folder / "result")
    session.computed_here = True
    # Remembered at once: a result that does not say what it was made of would never be out of date.
    freshness.remember(text, start)
    try:
        # What was edited while it ran is not in the result: of the scene as it is now, only what
        # the run drew itself is taken.
        own = boxes.own_margin(parameters.bundle)
        plain = replace(shown, roi_nodes={})
        made = freshness.fingerprint(plain, parameters, canonical_grid(inputs.qsm), own)
        freshness.remember(
            text,
            replace(start, masks=made.masks | start.masks, boxes=made.boxes | start.boxes),
        )
    except InputError as error:
        logging.warning("What the run drew cannot be compared with the scene: %s", error)
    session.look()
    if drawn:
        centre(session)


def _show(session: Session, examination: Examination, inputs: Inputs, folder: Path) -> Any:
    """Shows a result whose files are in ``folder``, and returns its text node."""
    session.nodes = results.show(session.scene, examination, beside=inputs.qsm)
    results.refer(session.nodes.text, inputs.qsm, inputs.nm)
    session.result, session.result_folder = examination, folder
    return session.nodes.text


def centre(session: Session) -> None:
    """Centres the 3-D views on the boxes, and with them on the nuclei."""
    views.centre_3d(views.around(rois.find_nodes(session.scene).values()))


def import_mask(session: Session, modality: str, path: Path) -> None:
    """Takes up outlines that the user has; those that cannot be used leave the scene as it was."""
    chosen = session.chosen
    inputs = settings.inputs_of(chosen, {})
    reference, field = getattr(inputs, modality.lower()), outlines.FIELDS[modality]
    try:
        read = segmentations.read_onto(
            path,
            modality,
            reference,
            swap_sides=chosen.swap_sides,
            split_merged=chosen.split_merged,
        )
        session.runs.say("")
        before = getattr(chosen, field)
        setattr(chosen, field, outlines.show_read(session, read, modality, inputs, before))
    except InputError as error:
        session.runs.say(str(error))
        return
    session.look()
    centre(session)


def make_demo(session: Session, sample: sample_data.Sample) -> None:
    """Makes a demo patient, loads it and chooses it."""

    def done(case: Case | None, error: str) -> None:
        chosen = session.chosen  # it may be another scene's by now
        if case is not None and chosen is None:
            error = "The demo patient was not loaded: the scene was closed. Make it again."
        elif case is not None:
            try:
                chosen.qsm, chosen.nm = sample_data.show(session.scene, case, sample)
                chosen.t1 = chosen.qsm_segmentation = chosen.nm_segmentation = None
            except InputError as refused:
                error = str(refused)
        session.runs.end(error, cancelled=case is None and not error)

    making = sample_data.Making(
        sample, session.folder, on_progress=session.runs.progress, on_done=done
    )
    session.runs.begin("sample", making)
    making.start(session.runs.runner())


def open_result(session: Session, case: Case, folder: Path) -> None:
    """Shows a case of a batch: its volumes, the outlines and the result in ``folder``.

    Raises:
        InputError: A file cannot be read; the scene is left as it was.
    """
    chosen, scene = session.chosen, session.scene
    files = {path.name: str(path) for path in folder.glob("*_mask.nii.gz")}
    written = folder / "diagnosis.json"
    examination = results.read(written) if written.is_file() else None
    qsm, nm = loading.load_both(scene, case.qsm, case.nm, case.identifier)
    inputs = Inputs(qsm, nm)
    try:
        masks = outlines.read_masks(files, inputs) if files else {}
    except BaseException:
        loading.remove(scene, qsm, nm)
        raise
    views.show_volume(qsm)
    chosen.qsm, chosen.nm = qsm, nm
    chosen.t1 = chosen.qsm_segmentation = chosen.nm_segmentation = None
    outlines.show_all(session, masks, inputs)
    if examination is not None:
        text = _show(session, examination, inputs, folder)
        session.computed_here = False
        with suppress(InputError):  # the look below says why
            freshness.remember(text, session.fingerprint())
    session.look()
