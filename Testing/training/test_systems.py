"""The systems compared with MRN go through the same trainer, to the end and after a stop."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_helpers import make_patient, tiny_settings

from MRNLib.errors import Cancelled
from MRNLib.rois import Box
from MRNLib.training.config import TrainingConfig, parse_config
from MRNLib.training.crops import MidbrainCrop, PatientCrops
from MRNLib.training.dataset import CropDataset
from MRNLib.training.evaluation import margins
from MRNLib.training.export import load_exported
from MRNLib.training.state import state_tensors
from MRNLib.training.trainer import Trainer

HEADS = {"head_hidden": 16, "head_dropout": 0.1, "projection_hidden": 16, "projection_dim": 8}
SERES10 = {
    "kind": "seres10",
    "preprocess": {"size": [4, 20, 24]},
    "widths": [8, 8, 8, 16],
    "reduction": 4,
    **HEADS,
}
MODELS: dict[str, dict[str, Any]] = {
    "seres10": {**SERES10, "projector": False},
    "seres10-msupmoco": {**SERES10, "projector": True},
    "m3d_clip": {
        "kind": "m3d_clip",
        "preprocess": {"size": [4, 32, 32]},
        "width": 24,
        "mlp_width": 48,
        "depth": 2,
        "num_heads": 2,
        **HEADS,
    },
    "midbrain_cnn": {
        "kind": "midbrain_cnn",
        "preprocess": {"size": [5, 20, 20]},
        "widen_factor": 1 / 16,
        **HEADS,
    },
    "dinov2-direct": {
        **tiny_settings()["model"],
        "ffa_blocks": 0,
        "sfa_blocks": 0,
        "slice_embedding": False,
        "dpt": None,
        "projector": False,
    },
}
systems = pytest.mark.parametrize("name", MODELS)


def settings(name: str, **train: Any) -> TrainingConfig:
    made = tiny_settings() | {"model": MODELS[name]}
    if not MODELS[name].get("projector", False):
        made["loss"] |= {"contrastive": 0.0}
        made["train"] |= {"phase1_epochs": 0}
    made["train"] |= train
    return parse_config(made)


def cohort(effect: float = 1.0) -> list[PatientCrops]:
    """Eight patients with a midbrain; one lacks QSM3."""
    patients = []
    for number in range(8):
        one = make_patient(number, number % 2, effect)
        noise = np.random.default_rng(number).normal(0, 0.1, (2, 7, 26, 26))
        noise[:, 2:5, 8:18, 8:18] += effect * one.diagnosis
        noise[0] *= 150
        noise[1] = 1 + 0.2 * noise[1]
        midbrain = MidbrainCrop(noise.astype(np.float16), Box((3, 3, 1), (23, 23, 6)))
        patients.append(dataclasses.replace(one, midbrain=midbrain))
    rois = {name: roi for name, roi in patients[2].rois.items() if name != "QSM3"}
    patients[2] = dataclasses.replace(patients[2], rois=rois)
    return patients


def train(config: TrainingConfig, folder: Path, stop: int = 0) -> tuple[Trainer, Path | None]:
    left = [stop]

    def progress(fraction: float, message: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Cancelled("enough")

    trainer = Trainer(config, cohort(), folder, fold=1, folds=4, progress=progress)
    try:
        return trainer, trainer.run()
    except Cancelled:
        return trainer, None


@systems
def test_trains_and_exports_what_it_trained(name, tmp_path):
    trainer, path = train(settings(name), tmp_path)
    assert path is not None
    exported = load_exported(path)
    assert type(exported) is type(trainer.model)
    assert exported.config == trainer.model.config.for_inference()
    dataset = CropDataset(cohort(), exported.config.preprocess, exported.regions)
    everyone = range(len(dataset))
    found = margins(exported, dataset, everyone)
    np.testing.assert_allclose(found, margins(trainer.model, dataset, everyone), atol=1e-6)
    masked = margins(exported, dataset, everyone, masked=exported.regions)
    if name == "midbrain_cnn":
        assert np.ptp(masked) == pytest.approx(0, abs=1e-6)
    assert not np.allclose(masked, found)


@systems
def test_resumed_equals_uninterrupted(name, tmp_path):
    whole, _ = train(settings(name), tmp_path / "whole")
    _, stopped = train(settings(name), tmp_path / "parts", stop=2)
    assert stopped is None
    resumed, _ = train(settings(name), tmp_path / "parts")
    wanted, found = state_tensors(whole.stepper), state_tensors(resumed.stepper)
    assert wanted.keys() == found.keys()
    for key, tensor in wanted.items():
        assert torch.equal(tensor, found[key]), key


@systems
def test_learns_an_easy_cohort(name, tmp_path):
    """Without augmentation, which is much for a transformer of two blocks and six patients."""
    rates = {"lr_backbone": 1e-3, "lr_heads": 1e-3, "batch_size": 4, "phase2_epochs": 30}
    plain = {
        "augment": {"probability": 0.0, "mirror": False},
        "data": {"jitter_voxels": 0, "jitter_slices": 0},
    }
    config = settings(name, **rates).as_json() | plain
    trainer, _ = train(parse_config(config), tmp_path)
    losses = [one["losses"]["classification"] for one in trainer.folder.records()[-30:]]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:2])
