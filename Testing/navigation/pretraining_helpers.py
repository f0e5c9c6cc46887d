"""The smallest pre-training there is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import navigation_toys as toys

from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.volumes import Volume
from MRNLib.training.folder import METRICS
from MRNLib.training.settingsfile import checked

TOKENIZER_STEPS, DYNAMICS_STEPS = 4, 3


def tiny_settings(**groups: Any) -> dict[str, Any]:
    """Settings with some groups' values replaced: ``train={"seed": 2}``, ``arm="zeroed"``."""
    settings: dict[str, Any] = {
        "trained_on": "phantom",
        "encoder": {
            "weights": "none",
            "drop_path": 0.1,
            "image_size": 28,
            "patch_size": 7,
            "embed_dim": 16,
            "depth": 2,
            "num_heads": 2,
            "layer_scale_init": 0.3,
        },
        "images": {"mean": [0.4, 0.4, 0.4], "std": [0.2, 0.2, 0.2]},
        "clips": {"length": 4, "size": 28, "pixel_mm": 1.0, "least_foreground": 0.1},
        "tokenizer": {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2},
        "dynamics": {"width": 16, "depth": 2, "heads": 2},
        "held_out": {"share": 0.3, "clips": 3},
        "train": {
            "tokenizer_steps": TOKENIZER_STEPS,
            "dynamics_steps": DYNAMICS_STEPS,
            "batch_size": 4,
            "learning_rate": 3e-3,
            "warm_up_steps": 1,
            "record_steps": 2,
            "tensorboard": False,
            "from_scratch": True,
        },
    }
    for name, values in groups.items():
        settings[name] = {**settings[name], **values} if isinstance(values, dict) else values
    return settings


def tiny_config(**groups: Any) -> NavigationConfig:
    """:func:`tiny_settings`, checked."""
    return checked(tiny_settings(**groups), NavigationConfig)


def patients(number: int = 4) -> list[Volume]:
    """Toy heads; the first patient has two volumes."""
    heads = [toys.head(seed, name=f"patient_{seed}") for seed in range(number)]
    heads.append(toys.head(99, role="QSM", name="patient_0"))
    return [dataclasses.replace(one, phantom=True) for one in heads]


def records(folder: Path) -> list[dict[str, Any]]:
    """A stage's metrics without the time it took."""
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(one).items() if k != "seconds"} for one in lines]
