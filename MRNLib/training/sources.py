"""Where training crops come from: digital patients by seed, or a cohort on disk.

The imports are inside the functions, so that a machine without SimpleITK can still cut digital
patients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from MRNLib.errors import InputError
from MRNLib.training.crops import PatientCrops, crops_from_arrays

if TYPE_CHECKING:
    from MRNLib.casefiles import Case


def phantom_name(seed: int) -> str:
    """The identifier of a digital patient; sorts by seed."""
    return f"phantom_{seed:07d}"


def phantom_crops(seed: int, margins: Mapping[str, Any] | None = None) -> PatientCrops:
    """Generates the digital patient of ``seed`` and cuts its crops; no file is involved.

    Args:
        seed: The patient's seed; also decides the diagnosis.
        margins: ``margin_mm`` and ``margin_slices`` if they differ from the usual ones.
    """
    from MRNLib.phantom import generate

    patient = generate(seed, modalities=("QSM", "NM"), region="deep-grey")
    # The generator's rows run to anterior (the challenge's files); canonical ones run to posterior.
    assert patient.qsm is not None
    assert patient.nm is not None
    return crops_from_arrays(
        patient.qsm[:, ::-1],
        patient.nm[:, ::-1],
        patient.qsm_mask[:, ::-1],
        patient.nm_mask[:, ::-1],
        patient.spacing,
        identifier=phantom_name(seed),
        diagnosis=patient.truth.diagnosis,
        seed=seed,
        phantom=True,
        **(margins or {}),
    )


def case_crops(
    case: Case, predicted: Path | None = None, margins: Mapping[str, Any] | None = None
) -> PatientCrops:
    """Reads one case of a cohort and cuts its crops.

    Args:
        case: A case with both masks and a diagnosis.
        predicted: Folder in the challenge's output layout with this cohort's predicted masks,
            ``<identifier>/QSM_pred.nii.gz`` and ``NM_pred.nii.gz``.
        margins: As for :func:`phantom_crops`.

    Raises:
        InputError: A mask or the diagnosis is missing, or a file cannot be used.
    """
    from MRNLib.cases import load_case

    diagnosis = checked_diagnosis(case)
    images = load_case(case)
    return crops_from_arrays(
        _array(images.qsm.image),
        _array(images.nm.image),
        _array(images.qsm_mask),
        _array(images.nm_mask),
        images.qsm.image.GetSpacing(),
        identifier=case.identifier,
        diagnosis=diagnosis,
        predicted_masks=None if predicted is None else _predicted(case, predicted, images.qsm),
        phantom=images.phantom,
        **(margins or {}),
    )


def checked_diagnosis(case: Case) -> str:
    """The diagnosis of a case that has all that crops need; no file is opened.

    Raises:
        InputError: The diagnosis or a mask is missing.
    """
    if case.diagnosis is None:
        raise InputError(
            "this case has no diagnosis",
            file=case.identifier,
            expected="HC or PD in the cohort's label table",
            remedy="name the patient in labels.csv in the cohort's folder, or give another table "
            "to prepare_crops.py --labels",
        )
    if case.qsm_mask is None or case.nm_mask is None:
        raise InputError(
            "this case lacks a mask",
            file=case.identifier,
            expected="QSM_mask.nii.gz and NM_mask.nii.gz beside the images",
            remedy="draw or predict the masks first",
        )
    return case.diagnosis


def source_of(case: Case, predicted: Path | None = None) -> str:
    """What a case's crops are cut from, in a line: other files or another diagnosis, another line.

    Files go by size and time of their last change, not by their contents and where they lie.

    Raises:
        InputError: A file is not there.
    """
    files = {"QSM": case.qsm, "NM": case.nm, "QSM_mask": case.qsm_mask, "NM_mask": case.nm_mask}
    if predicted is not None:
        files |= predicted_masks(case, predicted)
    facts: dict[str, Any] = {"diagnosis": case.diagnosis}
    for name, path in files.items():
        if path is None:
            continue
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(
                "there is no such file, or it cannot be read", file=path, remedy="check the path"
            ) from error
        facts[name] = [status.st_size, status.st_mtime_ns]
    return json.dumps(facts)


def predicted_masks(case: Case, folder: Path) -> dict[str, Path]:
    """A case's predicted masks in the challenge's output layout."""
    names = ("QSM_pred", "NM_pred")
    return {name: folder / case.identifier / f"{name}.nii.gz" for name in names}


def _predicted(case: Case, folder: Path, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    from MRNLib.masks import read_mask

    paths = predicted_masks(case, folder)
    masks = [read_mask(paths[f"{one}_pred"], one, reference)[0] for one in ("QSM", "NM")]
    return _array(masks[0]), _array(masks[1])


def _array(image: Any) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(image)
