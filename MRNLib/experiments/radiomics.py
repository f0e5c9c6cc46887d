"""The radiomics cell: features of all patients once, then each classical model.

Models learn from the same fold's training patients as the networks do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from MRNLib.experiments.cells import FOLDS
from MRNLib.experiments.cohorts import EVALUATION, TRAIN, patients_of
from MRNLib.experiments.results import Job
from MRNLib.progress import Progress
from MRNLib.radiomics import FeatureTable, feature_table
from MRNLib.radiomics_models import MODELS, predicted_margins
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import stratified_folds

# Patients of one file of features: what a killed run loses at most, a minute and a half.
CHUNK = 50
FEATURES_SHARE = 0.97
SEED = 1


def radiomics_margins(job: Job, progress: Progress) -> dict[str, NDArray[np.float64]]:
    """Margins of each model on the evaluation patients, by the model's name.

    Raises:
        InputError: The extra ``radiomics`` is not installed, or a class is too small.
    """
    everyone, judged = patients_of(job.data, TRAIN), patients_of(job.data, EVALUATION)
    chosen, _ = stratified_folds(everyone, FOLDS, SEED)[job.cell.fold]
    training = [everyone[place] for place in chosen]
    total = len(training) + len(judged)
    tables, done = [], 0
    for part, patients in ((TRAIN, training), (EVALUATION, judged)):
        name = f"{part}-{job.data.fingerprints()[part][:12]}"
        share = partial(_share, progress, done, len(patients), total)
        tables.append(features(patients, job.folder / name, share))
        done += len(patients)
    margins = {}
    for name in MODELS:
        progress(FEATURES_SHARE, f"fitting {name}")
        margins[name] = predicted_margins(name, tables[0], tables[1], seed=SEED)
    return margins


def _share(
    progress: Progress, before: int, count: int, total: int, done: float, message: str
) -> None:
    progress(FEATURES_SHARE * (before + done * count) / total, message)


def features(patients: Sequence[PatientCrops], folder: Path, progress: Progress) -> FeatureTable:
    """Features of some patients, kept in ``folder`` a chunk at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(patients), CHUNK):
        chunk = patients[start : start + CHUNK]
        share = partial(_chunk_share, progress, start, len(chunk), len(patients))
        parts.append(feature_table(chunk, folder / f"{start:05d}.npz", share))
    return _joined(parts)


def _chunk_share(
    progress: Progress, start: int, count: int, total: int, done: float, message: str
) -> None:
    progress((start + done * count) / total, message)


def _joined(parts: Sequence[FeatureTable]) -> FeatureTable:
    """One table; a feature that a chunk lacks is NaN there."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    column = {name: place for place, name in enumerate(names)}
    rows = []
    for part in parts:
        values = np.full((len(part.values), len(names)), np.nan)
        values[:, [column[name] for name in part.names]] = part.values
        rows.append(values)
    return FeatureTable(
        tuple(name for part in parts for name in part.identifiers),
        np.concatenate([part.diagnoses for part in parts]),
        names,
        np.concatenate(rows),
    )
