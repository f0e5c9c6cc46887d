"""The patients of an experiment: crops to train on and crops to evaluate on, in one folder.

``DIR/train`` and ``DIR/evaluation`` are written by ``Training/prepare_crops.py``.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from MRNLib.errors import InputError
from MRNLib.experiments.cells import FOLDS
from MRNLib.radiomics_models import FEWEST as FEWEST_RADIOMICS
from MRNLib.training.content import Member, fingerprint
from MRNLib.training.crops import NO_SEED, PatientCrops
from MRNLib.training.data import load_folder

TRAIN, EVALUATION = "train", "evaluation"
FEWEST = 5  # of each class in the evaluation: the image oracle is cross-validated in five folds
# Of each class to train on: one of it in every fold. With radiomics what a left-out fold of them
# leaves has to do for that model's own folds.
FEWEST_TRAINING = FOLDS
FEWEST_TRAINING_RADIOMICS = -(-FEWEST_RADIOMICS * FOLDS // (FOLDS - 1))
HOW = "write them with prepare_crops.py --out DIR/train and --out DIR/evaluation"


@dataclass(frozen=True)
class Group:
    """One folder of crops.

    Attributes:
        fingerprint: SHA-256 of all contents; the same patients cut again give the same.
        identifiers: In name order.
        diagnoses: 0 HC, 1 PD.
        phantoms: How many are digital patients.
        seeded: Whether all are digital patients whose truth their seed gives back.
    """

    fingerprint: str
    identifiers: tuple[str, ...]
    diagnoses: tuple[int, ...]
    phantoms: int
    seeded: bool


@dataclass(frozen=True)
class ExperimentData:
    """Both folders, checked.

    Attributes:
        folder: Absolute path of the folder that holds both.
        train: Patients to train on.
        evaluation: Patients that no training sees.
    """

    folder: Path
    train: Group
    evaluation: Group

    @property
    def trained_on(self) -> Literal["phantom", "human"]:
        """What all these patients are."""
        return "phantom" if self.train.phantoms else "human"

    @property
    def oracles(self) -> bool:
        """Whether the truth behind the evaluation patients is known."""
        return self.evaluation.seeded

    def fingerprints(self) -> dict[str, str]:
        """What a result on these patients is marked with."""
        return {TRAIN: self.train.fingerprint, EVALUATION: self.evaluation.fingerprint}


def open_data(folder: Path, radiomics: bool = False) -> ExperimentData:
    """Looks at both folders without reading the images.

    Args:
        folder: Holds both.
        radiomics: Whether radiomics models will be trained, which need more patients.

    Raises:
        InputError: One is missing or empty, patients are in both, digital and real patients are
            mixed, or a class has too few patients to train or to evaluate on.
    """
    data = ExperimentData(folder.absolute(), _group(folder / TRAIN), _group(folder / EVALUATION))
    if both := sorted(set(data.train.identifiers) & set(data.evaluation.identifiers)):
        raise InputError(
            f"{len(both)} patients are in train and in evaluation, {both[0]} for one",
            file=folder,
            expected="patients to evaluate on that no training sees",
        )
    for name, group in ((TRAIN, data.train), (EVALUATION, data.evaluation)):
        if group.phantoms not in (0, len(group.identifiers)) or bool(group.phantoms) != bool(
            data.train.phantoms
        ):
            raise InputError(
                "digital and real patients are mixed",
                file=folder / name,
                expected="one kind in both folders: a figure must say what it was measured on",
            )
    fewest = FEWEST_TRAINING_RADIOMICS if radiomics else FEWEST_TRAINING
    why = ", for the radiomics models' folds" if radiomics else f", for {FOLDS} folds"
    _check_counts(data.train, folder / TRAIN, "train", f"{fewest} or more of each{why}", fewest)
    _check_counts(
        data.evaluation, folder / EVALUATION, "evaluate", f"{FEWEST} or more of each", FEWEST
    )
    return data


def _check_counts(group: Group, folder: Path, what: str, expected: str, fewest: int) -> None:
    counts = np.bincount(group.diagnoses, minlength=2)
    if counts.min() < fewest:
        raise InputError(
            f"{counts[0]} HC and {counts[1]} PD are too few to {what} on",
            file=folder,
            expected=expected,
        )


def _group(folder: Path) -> Group:
    paths = sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
    if not paths:
        raise InputError("no crops found", file=folder, expected="one .npz a patient", remedy=HOW)
    files: list[tuple[str, list[Member]]] = []
    identifiers, diagnoses, phantoms, seeded = [], [], 0, True
    for path in paths:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [(one.filename, one.CRC, one.file_size) for one in archive.infolist()]
            with np.load(path, allow_pickle=False) as stored:
                identifiers.append(str(stored["identifier"]))
                diagnoses.append(int(stored["diagnosis"]))
                phantom, seed = bool(stored["phantom"]), int(stored["seed"])
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                "this is not a crop file", file=path, remedy=f"delete it and {HOW}"
            ) from error
        files.append((path.name, members))
        phantoms += phantom
        seeded &= phantom and seed != NO_SEED
    return Group(fingerprint(files), tuple(identifiers), tuple(diagnoses), phantoms, seeded)


@lru_cache(maxsize=2)
def _loaded(folder: Path, fingerprint: str) -> tuple[PatientCrops, ...]:
    return tuple(load_folder(folder))


def patients_of(data: ExperimentData, part: str) -> tuple[PatientCrops, ...]:
    """The crops of ``train`` or ``evaluation``; a process reads them once for all its cells.

    Raises:
        InputError: A file cannot be read.
    """
    group = data.train if part == TRAIN else data.evaluation
    return _loaded(data.folder / part, group.fingerprint)
