"""Writing the result out: files, masks, DICOM segmentations, each case's in its folder. No Qt."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from MRNDiagnosisLib import dicom_seg, exported, freshness
from MRNDiagnosisLib.exported import PARTIAL, Source
from MRNDiagnosisLib.freshness import Fingerprint
from MRNDiagnosisLib.segmentations import write_mask
from MRNDiagnosisLib.session import Session
from MRNLib.errors import InputError

Kind = Literal["files", "result", "masks", "dicom"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        kind: All of a diagnosis' files, the result alone, masks or DICOM segmentations.
        case: Whose.
        folder: Where.
        modalities: The outlines that were written.
        left_out: Those that could not be, each with the reason.
        changes: What changed since the result was computed; the outlines are as they are now.
    """

    kind: Kind
    case: str
    folder: Path
    modalities: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def export_files(session: Session, folder: Path) -> Exported:
    """Copies everything that the diagnosis wrote.

    Raises:
        InputError: There are no files, or the folder cannot be written.
    """
    if session.result is None or not session.has_files():
        raise InputError("the files of this result are not there", remedy="diagnose again")
    result = session.result_folder
    if folder.resolve().is_relative_to(result.resolve()):
        raise InputError(
            "This is the folder of the result itself.", file=folder, remedy="choose another"
        )

    def fill(staged: Path) -> None:
        # The staged folder itself may lie in the copied one, above which nothing is copied from.
        hidden = shutil.ignore_patterns(f"{PARTIAL}*", exported.MARK)
        shutil.copytree(result, staged, dirs_exist_ok=True, ignore=hidden)

    source = _of_result(session)
    target = exported.write(folder, source, fill)
    return Exported("files", source.case, target, changes=session.changes)


def export_json(session: Session, folder: Path) -> Exported:
    """Writes the result alone.

    Raises:
        InputError: There is none, or the folder cannot be written.
    """
    if session.result is None or session.nodes is None:
        raise InputError("there is no result yet", remedy="diagnose first")
    text, source = session.nodes.text.GetText(), _of_result(session)

    def fill(staged: Path) -> None:
        (staged / "diagnosis.json").write_text(text, encoding="utf-8")

    target = exported.write(folder, source, fill)
    return Exported("result", source.case, target, changes=session.changes)


def export_masks(session: Session, folder: Path) -> Exported:
    """Writes the outlines as they are now, in the challenge's numbering.

    Raises:
        InputError: A segmentation is no mask, or the folder cannot be written.
    """
    outlines = _outlines(session)

    def fill(staged: Path) -> None:
        for modality, node, volume in outlines:
            write_mask(node, modality, volume, staged / f"{modality}_mask.nii.gz")

    source = _of_outlines(session)
    target = exported.write(folder, source, fill)
    return Exported("masks", source.case, target, tuple(entry[0] for entry in outlines))


def export_dicom(session: Session, folder: Path) -> Exported:
    """Writes those segmentations as DICOM SEG objects that can be: a folder for each.

    Raises:
        InputError: None of them could be written.
    """
    written, left_out = [], []
    source = _of_outlines(session)
    # The plugin tells the DICOM database where the files are, so they are made in their place.
    target = exported.write(folder, source, lambda staged: None)
    try:
        for modality, node, volume in _outlines(session):
            place = target / f"DICOM_SEG_{modality}"
            place.mkdir(exist_ok=True)
            try:
                dicom_seg.write(session.scene, node, volume, place)
                written.append(modality)
            except InputError as error:
                left_out.append(f"{modality}: {error}")
            if not any(place.iterdir()):
                place.rmdir()
    finally:
        if [path.name for path in target.iterdir()] == [exported.MARK]:
            shutil.rmtree(target)
    if not written:
        raise InputError("\n".join(left_out) or "there are no outlines")
    return Exported("dicom", source.case, target, tuple(written), tuple(left_out))


def _of_result(session: Session) -> Source:
    """The result that is shown, which need not be that of what is chosen."""
    assert session.result is not None
    assert session.nodes is not None
    before = freshness.remembered(session.nodes.text)
    content = {} if before is None else _voxels(before)
    if not content:
        text = session.nodes.text.GetText()
        content = {"result": hashlib.sha256(text.encode()).hexdigest()}
    return Source(session.result.identifier, content)


def _of_outlines(session: Session) -> Source:
    """The outlines that are chosen: the result's case if it was made from the same volumes."""
    content = {} if session.now is None else _voxels(session.now)
    if content and session.result is not None:
        of_result = _of_result(session)
        if of_result.content == content:
            return of_result
    named = session.chosen.qsm or session.chosen.nm
    return Source("" if named is None else named.GetName(), content)


def _voxels(values: Fingerprint) -> dict[str, str]:
    """What tells one patient's images from another's."""
    places = {role: values.place(role) for role in ("QSM", "NM")}
    return {role: place.voxels for role, place in places.items() if place is not None}


def _outlines(session: Session) -> list[tuple[str, Any, Any]]:
    chosen = session.chosen
    found = (
        ("QSM", chosen.qsm_segmentation, chosen.qsm),
        ("NM", chosen.nm_segmentation, chosen.nm),
    )
    return [entry for entry in found if entry[1] is not None and entry[2] is not None]
