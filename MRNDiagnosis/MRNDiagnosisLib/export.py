"""Writing the result out: files, masks, DICOM segmentations. No Qt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.segmentations import write_mask
from MRNDiagnosisLib.session import Session
from MRNLib.errors import InputError
from MRNLib.writing import require_folder


def _folder(folder: Path) -> Path:
    require_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def export_files(session: Session, folder: Path) -> str:
    """Copies everything that the diagnosis wrote; says what and where.

    Raises:
        InputError: There are no files, or the folder cannot be written.
    """
    if session.result is None or not session.has_files():
        raise InputError("the files of this result are not there", remedy="diagnose again")
    target = _folder(folder) / _file_name(session.result.identifier)
    shutil.copytree(session.result_folder, target, dirs_exist_ok=True)
    return f"Report and files written to {target}"


def export_json(session: Session, folder: Path) -> str:
    """Writes the result alone.

    Raises:
        InputError: There is none, or the folder cannot be written.
    """
    if session.nodes is None:
        raise InputError("there is no result yet", remedy="diagnose first")
    path = _folder(folder) / "diagnosis.json"
    path.write_text(session.nodes.text.GetText(), encoding="utf-8")
    return f"Result written to {path}"


def export_masks(session: Session, folder: Path) -> str:
    """Writes the outlines as they are now, in the challenge's numbering.

    Raises:
        InputError: A segmentation is no mask, or the folder cannot be written.
    """
    target = _folder(folder)
    written = [
        write_mask(node, modality, volume, target / f"{modality}_mask.nii.gz").name
        for modality, node, volume in _outlines(session)
    ]
    return f"{' and '.join(written)} written to {target}"


def export_dicom(session: Session, folder: Path) -> str:
    """Writes each segmentation as a DICOM SEG object, through Slicer's own plugin.

    Raises:
        InputError: Slicer could not write one.
    """
    import DICOMSegmentationPlugin
    import slicer

    target = _folder(folder)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.scene)
    exporter = DICOMSegmentationPlugin.DICOMSegmentationPluginClass()
    for modality, node, _ in _outlines(session):
        exportables = exporter.examineForExport(hierarchy.GetItemByDataNode(node))
        for exportable in exportables:
            exportable.directory = str(target)
        problem = exporter.export(exportables) if exportables else "its source is not in DICOM"
        if problem:
            raise InputError(f"the {modality} outlines were not written: {problem}", file=target)
    return f"DICOM segmentations written to {target}"


def _outlines(session: Session) -> list[tuple[str, Any, Any]]:
    chosen = session.chosen
    found = (
        ("QSM", chosen.qsm_segmentation, chosen.qsm),
        ("NM", chosen.nm_segmentation, chosen.nm),
    )
    return [entry for entry in found if entry[1] is not None and entry[2] is not None]


def _file_name(identifier: str) -> str:
    """A case's name as a folder's."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in identifier)
    return kept.strip(".") or "case"
