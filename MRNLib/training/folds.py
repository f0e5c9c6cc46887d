"""Trained folds on disk, and which patients each of them has seen (paper section 4.1.1).

A training leaves ``fold_N.safetensors`` and, beside it, ``fold_N.json`` with the patients that it
was trained on and those that it held out. Whatever is said about a fold's figures or calibration
goes by those two lists.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError
from MRNLib.training.data import PatientCrops


@dataclass(frozen=True)
class TrainedFold:
    """One finished training.

    Attributes:
        weights: Its ``fold_N.safetensors``.
        fold: Its number.
        folds: Into how many folds the patients were split.
        trained_on: ``phantom`` or ``human``.
        model: What the network is, as JSON values.
        settings: How it was trained, as JSON values.
        trained: Identifiers of the patients that it was trained on.
        held_out: Identifiers of the rest.
        crops: Fingerprints of all these patients' crops by identifier.
        seconds: What the training took, over all sittings.
    """

    weights: Path
    fold: int
    folds: int
    trained_on: str
    model: dict[str, Any] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    trained: frozenset[str] = field(repr=False)
    held_out: frozenset[str] = field(repr=False)
    crops: Mapping[str, str] = field(repr=False)
    seconds: float = 0.0


def weights_file(folder: Path, fold: int) -> Path:
    """Where the trainings below ``folder`` leave the weights of one fold."""
    return folder / f"fold_{fold}" / f"fold_{fold}.safetensors"


def read_fold(weights: Path) -> TrainedFold:
    """One fold by its weights' file.

    Raises:
        InputError: The weights or their description are missing, or it is no such description.
    """
    description = weights.with_suffix(".json")
    for path in (weights, description):
        if not path.is_file():
            raise InputError(
                "this fold is not there, or not finished",
                file=path,
                expected="fold_N.safetensors with fold_N.json beside it",
                remedy="train it to the end: the same command goes on where it stopped",
            )
    try:
        record = json.loads(description.read_text(encoding="utf-8"))
        return TrainedFold(
            weights,
            int(record["fold"]),
            int(record["folds"]),
            str(record["trained_on"]),
            dict(record["model"]),
            dict(record["settings"]),
            frozenset(record["patients"]),
            frozenset(record["held_out_patients"]),
            dict(record["crops"]),
            float(record.get("last_epoch", {}).get("seconds", 0.0)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"does not describe a trained fold ({type(error).__name__}: {error})",
            file=description,
            remedy="train the fold again",
        ) from error


def read_folds(folder: Path, number: int) -> list[TrainedFold]:
    """All folds that ``Training/train_folds.py`` left below a folder.

    Raises:
        InputError: Some are missing; as :func:`read_fold` and :func:`check_together`.
    """
    missing = [one for one in range(number) if not weights_file(folder, one).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {number} folds are not finished: {', '.join(map(str, missing))}",
            file=folder,
            remedy="give the same train_folds.py command again; it goes on where it stopped",
        )
    folds = [read_fold(weights_file(folder, one)) for one in range(number)]
    check_together(folds)
    return folds


def check_together(folds: Sequence[TrainedFold]) -> None:
    """Refuses folds that are not of one model and one split.

    Raises:
        InputError: None at all, one twice, other models, other splits, or a patient that a fold was
            trained on and holds out.
    """
    if not folds:
        raise InputError("no folds were given", expected="one fold_N.safetensors or more")
    first = folds[0]
    numbers = Counter(one.fold for one in folds)
    for one in folds:
        if numbers[one.fold] > 1:
            raise InputError(f"fold {one.fold} was given more than once", file=one.weights)
        if one.model != first.model:
            differing = sorted(
                key
                for key in one.model.keys() | first.model.keys()
                if one.model.get(key) != first.model.get(key)
            )
            raise InputError(
                f"this fold is of another model than fold {first.fold} ({', '.join(differing)})",
                file=one.weights,
                remedy="name folds that were trained with the same settings under model",
            )
        if one.trained_on != first.trained_on:
            raise InputError(
                f"this fold was trained on {one.trained_on}, fold {first.fold} on "
                f"{first.trained_on} data",
                file=one.weights,
            )
        if both := sorted(one.trained & one.held_out):
            raise InputError(
                f"{both[0]} is said to be trained on and held out",
                file=one.weights.with_suffix(".json"),
                remedy="train the fold again",
            )
        everyone = first.trained | first.held_out
        if one.folds != first.folds or one.trained | one.held_out != everyone:
            raise InputError(
                f"this fold and fold {first.fold} are not of one split: {one.folds} and "
                f"{first.folds} folds of {len(one.trained | one.held_out)} and {len(everyone)} "
                "patients",
                file=one.weights,
                remedy="name folds of one train_folds.py",
            )


def refuse_other_crops(fold: TrainedFold, patients: Iterable[PatientCrops]) -> None:
    """Refuses a fold's patients whose crops are not those that it was made with.

    Raises:
        InputError: Some hold something else under the same name.
    """
    wrong = [
        one.identifier for one in patients if fold.crops.get(one.identifier) != one.fingerprint
    ]
    if wrong:
        raise InputError(
            f"crops of {len(wrong)} patients are not those of this fold, e.g. {wrong[0]}'s",
            file=fold.weights,
            expected="the crops it was trained with; these were cut again, or are of somebody else",
            remedy="name those crops, or train the fold again in another --out folder",
        )


def combined(*groups: Iterable[PatientCrops]) -> list[PatientCrops]:
    """Several folders' patients as one folder with all their files would list them.

    Raises:
        InputError: A patient is in two of them.
    """
    patients = [one for group in groups for one in group]
    refuse_shared(*([one.identifier for one in group] for group in groups))
    return sorted(patients, key=lambda one: f"{one.identifier}.npz")


def refuse_shared(*groups: Iterable[str]) -> None:
    """Refuses a patient that is in two sets, such as train and validation.

    Raises:
        InputError: With the number of such patients and one of their names.
    """
    seen = Counter(name for group in groups for name in set(group))
    shared = sorted(name for name, times in seen.items() if times > 1)
    if shared:
        raise InputError(
            f"{len(shared)} patients are in both train and validation, e.g. {shared[0]}",
            expected="each patient in one of them",
            remedy="take them out of one folder, or give them names of their own",
        )


def check_origin(trained_on: str, patients: Sequence[PatientCrops]) -> None:
    """Refuses digital patients under ``trained_on: human`` and the other way round.

    What a bundle may say about a patient hangs on this word.

    Raises:
        InputError: Some patients are of the other kind.
    """
    wrong = [one for one in patients if one.phantom != (trained_on == "phantom")]
    if not wrong:
        return
    kind, word = ("digital", "phantom") if wrong[0].phantom else ("real", "human")
    raise InputError(
        f"{len(wrong)} of {len(patients)} patients are {kind} ones, e.g. {wrong[0].identifier}, "
        f"but the settings say trained_on: {trained_on}",
        expected="patients of one kind, and settings that say which",
        remedy=f"--set trained_on={word}, if all of them are meant to be {kind}",
    )
