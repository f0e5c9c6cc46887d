"""Crops on disk, one small file for each patient, and how patients are split into folds."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import ROIS
from MRNLib.boxes import Box
from MRNLib.casefiles import DIAGNOSES, Case, holds_patients
from MRNLib.errors import InputError
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES
from MRNLib.splits import folds
from MRNLib.training.crops import MidbrainCrop, PatientCrops, RoiCrop
from MRNLib.writing import replaced


def save_crops(crops: PatientCrops, folder: Path, source: str = "") -> Path:
    """Writes ``<identifier>.npz`` beside its target and moves it into place."""
    target = folder / crops.file_name
    arrays: dict[str, Any] = crops.arrays()
    with replaced(target) as partial:
        np.savez_compressed(partial, **arrays)
        with zipfile.ZipFile(partial, "a") as archive:
            # Not an array, so that the same crops of copied volumes are the same contents.
            archive.comment = source.encode()
    return target


def _box(array: NDArray[Any]) -> Box:
    return Box(tuple(array[0].tolist()), tuple(array[1].tolist()))


def load_crops(path: Path) -> PatientCrops:
    """Reads one patient's crops.

    Raises:
        InputError: The file is no crop file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        rois = {
            definition.name: RoiCrop(
                arrays[f"{definition.name}_image"],
                arrays[f"{definition.name}_labels"],
                _box(arrays[f"{definition.name}_box"]),
                _box(arrays[f"{definition.name}_predicted_box"])
                if f"{definition.name}_predicted_box" in arrays
                else None,
            )
            for definition in ROIS
            if f"{definition.name}_image" in arrays
        }
        midbrain = None
        if "MIDBRAIN_image" in arrays:
            midbrain = MidbrainCrop(arrays["MIDBRAIN_image"], _box(arrays["MIDBRAIN_box"]))
        i, j, k = (float(step) for step in arrays["spacing"])
        return PatientCrops(
            str(arrays["identifier"]),
            int(arrays["diagnosis"]),
            rois,
            int(arrays["seed"]),
            bool(arrays["phantom"]),
            (i, j, k),
            midbrain,
            float(arrays.get("margin_mm", MARGIN_MM)),
            int(arrays.get("margin_slices", MARGIN_SLICES)),
        )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _no_crops(path) from error


def crop_files(folder: Path) -> list[Path]:
    """The crop files of a folder in name order."""
    return sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))


def stored_source(path: Path) -> str:
    """What :func:`save_crops` was told of where the crops came from.

    Raises:
        InputError: The file is no crop file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode(errors="replace")
    except (OSError, zipfile.BadZipFile) as error:
        raise _no_crops(path) from error


def stored_margins(path: Path) -> tuple[float, int]:
    """Margin in plane in mm and at each end in slices; the images are not read.

    Raises:
        InputError: The file is no crop file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            plane, slices = stored.get("margin_mm"), stored.get("margin_slices")
            return (
                MARGIN_MM if plane is None else float(plane),
                MARGIN_SLICES if slices is None else int(slices),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _no_crops(path) from error


def _no_crops(path: Path) -> InputError:
    return InputError(
        "this is not a crop file",
        file=path,
        expected="an .npz file written by Training/prepare_crops.py",
        remedy="delete it and run prepare_crops.py again; finished patients are skipped",
    )


def load_folder(folder: Path, limit: int | None = None) -> list[PatientCrops]:
    """All patients of a crop folder in name order, the first ``limit`` if given.

    Raises:
        InputError: No crops there, crops of different margins, or only one class.
    """
    paths = crop_files(folder)[:limit]
    if not paths:
        cohort = holds_patients(folder)
        raise InputError(
            "this folder holds volumes, not crops" if cohort else "no crops found",
            file=folder,
            expected="one .npz file for each patient"
            + ("" if cohort else ", or a cohort in the challenge's layout"),
            remedy=f"cut them once: Training/prepare_crops.py --data {folder} --out CROPS, then "
            "--data CROPS"
            if cohort
            else "write them with Training/prepare_crops.py",
        )
    patients = [load_crops(path) for path in paths]
    _check_margins(patients, folder)
    if len({patient.diagnosis for patient in patients}) < 2:
        raise InputError(
            f"all {len(patients)} patients have the same diagnosis",
            file=folder,
            expected="patients of both classes, HC and PD",
        )
    return patients


def _check_margins(patients: Sequence[PatientCrops], folder: Path) -> None:
    found = {(one.margin_mm, one.margin_slices): one.identifier for one in reversed(patients)}
    if len(found) > 1:
        named = "; ".join(f"{margins_text(*one)} ({name})" for one, name in sorted(found.items()))
        raise InputError(
            f"holds crops of {len(found)} margins: {named}",
            file=folder,
            expected="crops with one margin",
            remedy="cut them with the same --margin-mm and --margin-slices, each into its folder",
        )


def margins_text(margin_mm: float, margin_slices: int) -> str:
    """A margin in words."""
    return f"{margin_mm:g} mm and {margin_slices} slice{'s' if margin_slices != 1 else ''}"


def stratified_folds(
    patients: Sequence[PatientCrops], number: int, seed: int = 1
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The library's folds (:func:`MRNLib.casefiles.folds`) as positions in ``patients``.

    Args:
        patients: Patients with different identifiers.
        number: Folds (paper: 5).
        seed: Of the split (paper: 1).

    Returns:
        For each fold the (training, held-out) positions, ascending.

    Raises:
        InputError: A class has fewer patients than there are folds.
    """
    position = {patient.identifier: place for place, patient in enumerate(patients)}
    cases = [
        Case(patient.identifier, Path(), Path(), diagnosis=DIAGNOSES[patient.diagnosis])
        for patient in patients
    ]

    def positions(part: Sequence[Case]) -> NDArray[np.int64]:
        return np.array(sorted(position[case.identifier] for case in part), np.int64)

    return [(positions(training), positions(held)) for training, held in folds(cases, number, seed)]
