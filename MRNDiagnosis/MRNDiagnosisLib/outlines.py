"""The outlines of a run or a file, shown and chosen; what a person drew is never replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MRNDiagnosisLib import segmentations, settings
from MRNDiagnosisLib.case import Inputs
from MRNDiagnosisLib.session import Session
from MRNLib.cache import content_key
from MRNLib.errors import InputError

MODALITIES = ("QSM", "NM")
FIELDS = {"QSM": "qsm_segmentation", "NM": "nm_segmentation"}
# What a run last drew into a segmentation node: the hash of its mask.
DRAWN = "MRN.Drawn"

Read = tuple[sitk.Image, tuple[str, ...]]


def show_masks(
    session: Session,
    files: Mapping[str, str],
    inputs: Inputs,
    modalities: Iterable[str] = MODALITIES,
) -> Inputs:
    """Shows the masks of a run; all are read before the scene is touched.

    Args:
        session: The session.
        files: The run's files by name.
        inputs: The nodes that were chosen at its start. Outlines chosen since stay chosen.
        modalities: Which masks.

    Returns:
        ``inputs`` with the outlines that the masks are shown in.

    Raises:
        InputError: A mask is missing or cannot be used; the scene is left as it was.
    """
    return show_all(session, read_masks(files, inputs, modalities), inputs)


def read_masks(
    files: Mapping[str, str], inputs: Inputs, modalities: Iterable[str] = MODALITIES
) -> dict[str, Read]:
    """The masks of a run by modality, on the volumes' own grids.

    Raises:
        InputError: A mask is missing or cannot be used.
    """
    return {name: _read(files, name, _volume(inputs, name)) for name in modalities}


def show_all(session: Session, masks: Mapping[str, Read], inputs: Inputs) -> Inputs:
    """:func:`show_masks` for masks that :func:`read_masks` has read already."""
    shown: dict[str, Any] = {}
    for modality, mask in masks.items():
        field = FIELDS[modality]
        start, now = getattr(inputs, field), getattr(session.chosen, field)
        node = show_read(session, mask, modality, inputs, start if now is start else None)
        node.SetAttribute(DRAWN, _key(node, modality, _volume(inputs, modality)))
        if now is start:
            setattr(session.chosen, field, node)
        shown[field] = node
    return replace(inputs, **shown)


def show_read(session: Session, read: Read, modality: str, inputs: Inputs, before: Any) -> Any:
    """Shows a mask that was read in a node of its own, or in ``before`` if a run drew all of it."""
    reference = _volume(inputs, modality)
    into = before if before is not None and _as_drawn(before, modality, reference) else None
    name = f"{reference.GetName()} nuclei"
    node = segmentations.show_read(session.scene, read, modality, reference, name, into=into)
    node.RemoveAttribute(DRAWN)
    if before is not None and node is not before:
        session.runs.warn(
            f"The outlines '{before.GetName()}' stay as they are: they were drawn by hand or "
            f"imported. The new ones are '{node.GetName()}'."
        )
    return node


def _read(files: Mapping[str, str], modality: str, reference: Any) -> Read:
    found = [path for name, path in files.items() if name.startswith(f"{modality}_mask")]
    if not found:
        raise InputError(
            f"there is no {modality} mask among the files of the run", remedy="run it again"
        )
    return segmentations.read_onto(Path(found[0]), modality, reference)


def _as_drawn(node: Any, modality: str, reference: Any) -> bool:
    """Whether a node of this volume still shows just what a run drew."""
    drawn = node.GetAttribute(DRAWN)
    if node.GetScene() is None or not drawn or settings.reference_of(node) is not reference:
        return False
    try:
        return bool(_key(node, modality, reference) == drawn)
    except InputError:
        return False  # a segment that a run does not draw


def _key(node: Any, modality: str, reference: Any) -> str:
    """The hash of what a node shows; saving and reading a scene leaves it as it is."""
    mask = sitk.DICOMOrient(segmentations.mask_of(node, modality, reference), "LPS")
    return content_key(sitk.GetArrayViewFromImage(mask))


def _volume(inputs: Inputs, modality: str) -> Any:
    return {"QSM": inputs.qsm, "NM": inputs.nm}[modality]
