"""Patients, settings and command lines that train in a moment."""

from __future__ import annotations

import pytest
import torch
import yaml
from fold_helpers import write_patients, write_settings
from training_helpers import make_patient, tiny_settings

from MRNLib.training.config import TrainingConfig, parse_config
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import save_crops


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def patients() -> list[PatientCrops]:
    """Eight patients, half of each class."""
    return [make_patient(number, number % 2) for number in range(8)]


@pytest.fixture
def config() -> TrainingConfig:
    """:func:`tiny_settings`, checked."""
    return parse_config(tiny_settings())


@pytest.fixture
def training(tmp_path) -> list[str]:
    """Arguments of a training that would work; the working folder is ``tmp_path``."""
    crops = tmp_path / "crops"
    crops.mkdir()
    for number in range(8):
        save_crops(make_patient(number, number % 2), crops)
    settings = tiny_settings()
    settings["train"].update(phase1_epochs=0, phase2_epochs=1, batch_size=4)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    paths = {"config": "tiny.yaml", "data": "crops", "out": "out"}
    named = [f"--{key}={tmp_path / value}" for key, value in paths.items()]
    return [*named, "--fold=1", "--folds=4", "--device=cpu"]


@pytest.fixture
def cohort(tmp_path):
    """Train and validation crops, and settings that train in a moment."""
    write_patients(tmp_path / "train", range(8))
    write_patients(tmp_path / "validation", range(8, 14))
    write_settings(tmp_path)
    return tmp_path
