"""The settings of the systems that the paper compares with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from MRNLib.errors import InputError
from MRNLib.models.build import build_system
from MRNLib.training.config import load_config, parse_config

CONFIGS = Path(__file__).parents[2] / "Training" / "configs"
KINDS = {
    "seres10": "seres10",
    "seres10-msupmoco": "seres10",
    "dinov2-direct": "mrn",
    "m3d-clip": "m3d_clip",
    "midbrain-cnn": "midbrain_cnn",
}


@pytest.mark.parametrize("name", KINDS)
def test_is_valid_and_survives_json(name):
    config = load_config(CONFIGS / f"{name}.yaml")
    assert config.model.kind == KINDS[name]
    assert parse_config(config.as_json()) == config


@pytest.mark.parametrize("name", KINDS)
def test_every_phase_has_something_to_learn(name):
    config = load_config(CONFIGS / f"{name}.yaml")
    contrast = config.model.projector and config.loss.contrastive > 0
    assert (config.train.phase1_epochs > 0) == contrast
    assert contrast == (name == "seres10-msupmoco")
    assert config.train.phase2_epochs == 200


@pytest.mark.parametrize("name", KINDS)
def test_shares_what_is_not_the_systems_own_with_mrn(name):
    """Windows, boxes and augmentation are the paper's MRN's, so that a table compares systems."""
    config, paper = (load_config(CONFIGS / f"{one}.yaml") for one in (name, "paper"))
    assert config.data == paper.data
    assert config.augment == paper.augment
    assert config.model.preprocess.qsm_window == paper.model.preprocess.qsm_window
    assert config.model.preprocess.nm_window == paper.model.preprocess.nm_window
    assert config.model.head_dropout == 0.5


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"dinov2-direct"}))
def test_builds_at_full_size(name):
    config = load_config(CONFIGS / f"{name}.yaml")
    with torch.device("meta"):
        system = build_system(config.model, pretrained=False)
    assert system.config == config.model


def test_weights_that_are_not_there_are_said():
    config = load_config(CONFIGS / "m3d-clip.yaml")
    with torch.device("meta"), pytest.raises(InputError, match="No such weights file") as caught:
        build_system(config.model)
    assert "GoodBaiBai88/M3D-CLIP" in str(caught.value)
