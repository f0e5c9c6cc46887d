"""What a session does when something is clicked: segment, import, diagnose, make a demo patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from MRNDiagnosisLib import (
    freshness,
    results,
    rois,
    sample_data,
    segmentations,
    settings,
    views,
    volumes,
)
from MRNDiagnosisLib.case import Inputs, prepare
from MRNDiagnosisLib.freshness import Fingerprint
from MRNDiagnosisLib.session import Session
from MRNLib.casefiles import Case
from MRNLib.errors import InputError

MODALITIES = ("QSM", "NM")
# How the names of volumes say what they are.
NAMES = {"qsm": r"(?i)qsm|suscept", "nm": r"(?i)neuromelanin|(^|[^a-z])nm([^a-z]|$)"}
FIELDS = {"QSM": "qsm_segmentation", "NM": "nm_segmentation"}


def preselect(session: Session) -> None:
    """Chooses the volumes whose names say what they are, where nothing is chosen yet."""
    chosen, scene = session.chosen, session.scene
    if chosen.qsm is not None or chosen.nm is not None:
        return
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
    for field, pattern in NAMES.items():
        for node in nodes:
            if node.IsA("vtkMRMLLabelMapVolumeNode") or not re.search(pattern, node.GetName()):
                continue
            setattr(chosen, field, node)
            break


def swap(session: Session) -> None:
    """Exchanges the two volumes."""
    chosen = session.chosen
    chosen.qsm, chosen.nm = chosen.nm, chosen.qsm


def segment(session: Session) -> None:
    """Outlines the nuclei in both volumes, in place of the outlines that are there."""
    chosen, inputs = session.chosen, settings.volumes_of(session.chosen)
    try:
        parameters = session.parameters()
    except InputError as error:
        session.runs.say(str(error))
        return

    def take(result: Mapping[str, Any]) -> None:
        if session.has(chosen):
            _show_masks(session, result["files"], inputs, MODALITIES)
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
            _take_diagnosis(session, result["files"], inputs, start)

    session.runs.start(
        "diagnose",
        "diagnose",
        take,
        lambda folder: prepare(inputs, folder),
        parameters,
        session.folder / "result",
    )


def _take_diagnosis(
    session: Session, files: Mapping[str, str], inputs: Inputs, start: Fingerprint
) -> None:
    from MRNLib.examination import from_json

    examination = from_json(Path(files["diagnosis.json"]).read_text(encoding="utf-8"))
    drawn = [name for name in MODALITIES if name not in start.masks]
    _show_masks(session, files, inputs, drawn)
    session.result = examination
    session.nodes = results.show(session.scene, examination, beside=inputs.qsm)
    session.result_folder = session.folder / "result"
    session.computed_here = True
    # What was edited while it ran is not in the result: of the scene as it is now, only what the
    # run drew itself is taken.
    now = session.fingerprint()
    freshness.remember(
        session.nodes.text,
        replace(start, masks=now.masks | start.masks, boxes=now.boxes | start.boxes),
    )
    session.look()
    if drawn:
        centre(session)


def centre(session: Session) -> None:
    """Centres the 3-D views on the boxes, and with them on the nuclei."""
    views.centre_3d(views.around(rois.find_nodes(session.scene).values()))


def _show_masks(
    session: Session, files: Mapping[str, str], inputs: Inputs, modalities: Iterable[str]
) -> None:
    """Shows the masks of a run and chooses them."""
    for modality in modalities:
        path = next(path for name, path in files.items() if name.startswith(f"{modality}_mask"))
        _show_mask(session, modality, Path(path), inputs)


def _show_mask(
    session: Session, modality: str, path: Path, inputs: Inputs, **options: bool
) -> None:
    reference = {"QSM": inputs.qsm, "NM": inputs.nm}[modality]
    before = getattr(session.chosen, FIELDS[modality])
    if before is not None and settings.reference_of(before) is not reference:
        before = None  # another patient's, which stay as they are
    node = segmentations.show_mask(
        session.scene,
        path,
        modality,
        reference,
        f"{reference.GetName()} nuclei",
        into=before,
        **options,
    )
    setattr(session.chosen, FIELDS[modality], node)


def import_mask(session: Session, modality: str, path: Path) -> None:
    """Takes up outlines that the user has; those that cannot be used leave the scene as it was."""
    chosen = session.chosen
    try:
        _show_mask(
            session,
            modality,
            path,
            settings.volumes_of(chosen),
            swap_sides=chosen.swap_sides,
            split_merged=chosen.split_merged,
        )
    except InputError as error:
        session.runs.say(str(error))
        return
    session.runs.say("")
    session.look()
    centre(session)


def make_demo(session: Session, sample: sample_data.Sample) -> None:
    """Makes a demo patient, loads it and chooses it."""
    chosen = session.chosen

    def done(case: Case | None, error: str) -> None:
        if case is not None and session.has(chosen):
            try:
                chosen.qsm, chosen.nm = sample_data.show(session.scene, case, sample)
                chosen.t1 = chosen.qsm_segmentation = chosen.nm_segmentation = None
            except InputError as refused:
                error = str(refused)
        session.runs.end(error, cancelled=case is None and not error)

    making = sample_data.Making(sample, on_progress=session.runs.progress, on_done=done)
    session.runs.begin("sample", making)
    making.start(session.runs.runner())


def open_result(session: Session, case: Case, folder: Path) -> None:
    """Shows a case of a batch: its volumes, the outlines and the result in ``folder``.

    Raises:
        InputError: A file cannot be read.
    """
    chosen = session.chosen
    qsm = volumes.load(session.scene, case.qsm, f"{case.identifier} QSM")
    nm = volumes.load(session.scene, case.nm, f"{case.identifier} NM")
    views.show_volume(qsm)
    chosen.qsm, chosen.nm = qsm, nm
    chosen.t1 = chosen.qsm_segmentation = chosen.nm_segmentation = None
    inputs = settings.volumes_of(chosen)
    found = {path.name: str(path) for path in folder.glob("*_mask.nii.gz")}
    if len(found) == len(MODALITIES):
        _show_masks(session, found, inputs, MODALITIES)
    written = folder / "diagnosis.json"
    if written.is_file():
        from MRNLib.examination import from_json

        session.result = from_json(written.read_text(encoding="utf-8"))
        session.nodes = results.show(session.scene, session.result, beside=qsm)
        session.result_folder, session.computed_here = folder, False
        freshness.remember(session.nodes.text, session.fingerprint())
    session.look()
