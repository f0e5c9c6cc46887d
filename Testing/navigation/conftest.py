"""Patients and settings of the tests of training, for those of what is trained from an encoder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pretraining_helpers import tiny_config
from probe_helpers import labelled_heads

from MRNLib.navigation.training import Pretraining

sys.path.append(str(Path(__file__).parents[1] / "training"))


@pytest.fixture(scope="session")
def arms_folder(tmp_path_factory) -> Path:
    """Four finished pre-trainings of three toy heads: arms aligned, zeroed, static; seeds 1, 2."""
    made = tmp_path_factory.mktemp("arms")
    heads = labelled_heads([90, 91, 92], "pretrained")
    encoder = {"patch_size": 14, "drop_path": 0.0}
    for arm, seed, taken in (
        ("aligned", 1, None),
        ("zeroed", 1, made / "aligned_1"),
        ("static", 1, None),
        ("aligned", 2, None),
    ):
        config = tiny_config(arm=arm, encoder=encoder, train={"seed": seed})
        Pretraining(config, heads, made / f"{arm}_{seed}", tokenizer=taken).run()
    return made
