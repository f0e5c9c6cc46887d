"""The facts that the panel is drawn from, gathered from a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from MRNDiagnosisLib.dicom_seg import from_dicom
from MRNDiagnosisLib.on_disk import on_disk
from MRNDiagnosisLib.panel_facts import BatchFacts, Facts
from MRNDiagnosisLib.results import of_others
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.settings import unused

NO_BATCH = BatchFacts()


def facts_of(
    session: Session,
    *,
    too_old: str = "",
    missing: tuple[str, ...] = (),
    setup_error: str = "",
    batch: BatchFacts = NO_BATCH,
) -> Facts:
    """What is known about a session; the other arguments are as in :class:`Facts`."""
    chosen, runs, look = session.chosen, session.runs, session.checked
    known = Facts(
        too_old=too_old,
        missing=missing,
        setup_error=setup_error,
        running=runs.task,
        fraction=runs.fraction,
        message=runs.message,
        cancelling=runs.cancelling,
        ended=runs.ended,
        cancelled=runs.cancelled,
        notes=runs.notes,
        batch=batch,
    )
    if chosen is None:
        return known
    disk = on_disk(session)
    return replace(
        known,
        qsm=_name(chosen.qsm),
        nm=_name(chosen.nm),
        checked=look is not None,
        problem=look.problem if look else "",
        doubts=look.doubts if look else "",
        masks=_masks(chosen),
        rois=session.rois,
        roi_problem=session.roi_problem,
        outline_problem=session.outline_problem,
        unused=unused(chosen),
        result=session.result,
        elsewhere=of_others(session.nodes, chosen.qsm, chosen.nm),
        changes=session.changes,
        recompute=session.recompute,
        files=disk.files,
        dicom=_dicom(chosen),
        bundle=chosen.bundle,
        bundle_added=disk.bundle_added,
        cache_megabytes=session.kept / 1e6,
    )


def _masks(chosen: Any) -> tuple[str, ...]:
    outlines = {"QSM": chosen.qsm_segmentation, "NM": chosen.nm_segmentation}
    return tuple(modality for modality, node in outlines.items() if node is not None)


def _dicom(chosen: Any) -> bool:
    """Whether there are outlines of a volume from the DICOM database."""
    pairs = ((chosen.qsm_segmentation, chosen.qsm), (chosen.nm_segmentation, chosen.nm))
    return any(
        outlines is not None and volume is not None and from_dicom(volume)
        for outlines, volume in pairs
    )


def _name(node: Any) -> str:
    return "" if node is None else node.GetName()
