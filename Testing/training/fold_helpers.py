"""Descriptions of folds that nobody trained, and settings that train in a moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file
from training_helpers import make_patient, tiny_settings

from MRNLib.training.config import load_config
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import save_crops, stratified_folds
from MRNLib.training.fold_worker import Task
from MRNLib.training.folds import TrainedFold


def described(fold: int, trained: Iterable[str], held_out: Iterable[str], **other: Any):
    """A fold as its description reads; there are no weights."""
    first = TrainedFold(
        Path(f"fold_{fold}.safetensors"),
        fold,
        3,
        "phantom",
        {"kind": "mrn", "ffa_blocks": 1},
        {"train": {"seed": 1}},
        frozenset(trained),
        frozenset(held_out),
        {},
    )
    return dataclasses.replace(first, **other)


def split(patients: list[PatientCrops], number: int = 3) -> list[TrainedFold]:
    """Folds of patients as a training would describe them."""
    names = [one.identifier for one in patients]
    return [
        described(fold, [names[i] for i in training], [names[i] for i in held], folds=number)
        for fold, (training, held) in enumerate(stratified_folds(patients, number))
    ]


def quick_settings() -> dict[str, Any]:
    """One epoch of a tiny MRN without a segmentation head."""
    settings = tiny_settings()
    settings["model"].update(ffa_blocks=1, dpt=None)
    settings["loss"].update(segmentation=0.0)
    settings["train"].update(phase1_epochs=0, phase2_epochs=1, batch_size=4)
    return settings


def write_patients(folder: Path, numbers: Iterable[int], effect: float = 1.0) -> Path:
    """Crops of some patients, every second one with PD."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        save_crops(make_patient(number, number % 2, effect), folder)
    return folder


def write_settings(folder: Path, **train_settings) -> Path:
    settings = quick_settings()
    settings["train"].update(train_settings)
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def task(folder: Path, out: str, fold: int = 0, folds: int = 2) -> Task:
    settings = load_config(folder / "quick.yaml").as_json()
    return Task(f"fold {fold}", settings, str(folder / out), fold, folds)


def same_weights(first: Path, second: Path) -> bool:
    one, other = load_file(first), load_file(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
