"""Settings: strict, helpful, and the paper's by default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from MRNLib.errors import InputError
from MRNLib.training.config import WAYS, TrainingConfig, load_config, parse_config

CONFIGS = Path(__file__).parents[2] / "Training" / "configs"


def test_paper_yaml_is_the_paper():
    config = load_config(CONFIGS / "paper.yaml")
    assert config == TrainingConfig()
    train = config.train
    assert (train.phase1_epochs, train.phase2_epochs, train.batch_size) == (400, 200, 4)
    assert (train.lr_backbone, train.weight_decay_backbone) == (1e-5, 0.1)
    assert (train.lr_heads, train.weight_decay_heads) == (1e-4, 0.05)
    assert train.betas == (0.9, 0.999)
    assert (config.loss.temperature, config.loss.bank_capacity) == (0.1, 1024)
    assert (config.teacher.momentum, config.teacher.warm_up) == (0.999, False)
    model = config.model
    assert model.backbone.name == "vit_base_patch14_reg4_dinov2"
    assert (model.backbone.drop_path, model.head_dropout) == (0.2, 0.5)
    assert (model.ffa_blocks, model.sfa_blocks, model.dpt) == (3, 2, "local")
    assert (model.dpt_channels, model.dpt_features) == ((96, 192, 384, 768), 256)
    assert model.preprocess.roi_size == 224


def keys_of(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Names of all settings, as ``train.seed``."""
    return [
        name
        for key, one in values.items()
        for name in (keys_of(one, f"{prefix}{key}.") if isinstance(one, dict) else [prefix + key])
    ]


def test_paper_yaml_spells_out_every_setting_and_where_it_is_from():
    text = (CONFIGS / "paper.yaml").read_text(encoding="utf-8")
    written = yaml.safe_load(text)
    assert sorted(keys_of(written)) == sorted(keys_of(TrainingConfig().as_json()))
    # data and augment say it for the whole group; the last ones are no matter of the paper.
    told_together = ("kind", "trained_on", *written["data"], *written["augment"], *WAYS)
    for line in text.splitlines():
        key, _, value = line.partition("#")[0].strip().partition(":")
        if value and key not in told_together:
            assert line.count(" # ") == 1, f"{key}: which section, or open?"


def test_every_shipped_config_reads():
    paths = sorted(CONFIGS.glob("*.yaml"))
    assert {path.stem for path in paths} >= {"paper", "phantom-tiny"}
    assert load_config(CONFIGS / "phantom-tiny.yaml").trained_on == "phantom"


@pytest.mark.parametrize(
    ("data", "name", "near"),
    [
        ({"train": {"lr_backbon": 1e-5}}, "train.lr_backbon", "train.lr_backbone"),
        ({"trian": {}}, "trian", "train"),
        ({"model": {"ffa_block": 2}}, "model.ffa_block", "model.ffa_blocks"),
        (
            {"model": {"backbone": {"embedim": 96}}},
            "model.backbone.embedim",
            "model.backbone.embed_dim",
        ),
    ],
)
def test_unknown_key_names_the_nearest(data, name, near):
    with pytest.raises(InputError) as caught:
        parse_config(data)
    assert f"unknown setting {name}" in str(caught.value)
    assert f"did you mean {near}?" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {"train": {"batch_size": 1}},
        {"train": {"batch_size": "4"}},
        {"augment": {"histogram_shift": 0.5}},
        {"train": {"phase1_epochs": 1.5}},
        {"loss": {"contrastive_form": "nce"}},
        {"model": {"backbone": {"patch_size": 8}}},
    ],
)
def test_bad_values_name_the_setting(data):
    with pytest.raises(InputError, match=r"setting (train|augment|loss|model)"):
        parse_config(data)


def test_a_groups_settings_that_do_not_fit_are_told_in_a_sentence():
    with pytest.raises(InputError) as caught:
        parse_config({"model": {"sfa_blocks": -1}})
    assert str(caught.value) == "setting model: ffa_blocks and sfa_blocks must be 0 or more"


def test_overrides_and_exponents(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("train:\n  lr_heads: 3e-4\n", encoding="utf-8")
    config = load_config(
        path, ["train.lr_backbone=2e-5", "model.backbone.depth=2", "teacher.warm_up=true"]
    )
    assert config.train.lr_heads == 3e-4
    assert config.train.lr_backbone == 2e-5
    assert config.model.backbone.depth == 2
    assert config.teacher.warm_up is True


def test_override_of_an_unknown_key():
    with pytest.raises(InputError, match=r"did you mean train\.lr_backbone"):
        load_config(None, ["train.lr_bakbone=1"])


@pytest.mark.parametrize("override", ["train.seed", "=3", "train..seed=1", "trained_on.x=1"])
def test_malformed_override(override):
    with pytest.raises(InputError, match=r"Expected: key=value, or group\.key=value|not a group"):
        load_config(None, ["trained_on=phantom", override])


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_config(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("train: [1", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        load_config(broken)


def test_settings_survive_json():
    config = load_config(CONFIGS / "phantom-tiny.yaml")
    assert parse_config(config.as_json()) == config


def test_settings_are_read_without_the_libraries_of_the_models():
    """Importing these takes seconds, and a mistake in the settings is to be told before."""
    code = "import sys, MRNLib.training.config as _; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "torch" in imported
    assert not imported & {"timm", "torchvision", "monai"}
