"""The gap between told and mistold actions, and who is held out for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pretraining_helpers import patients, tiny_config
from torch import Tensor

from MRNLib.navigation.clips import make_clips
from MRNLib.navigation.dynamics import Dynamics
from MRNLib.navigation.gap import (
    UNSEEN,
    clip_errors,
    held_out_gap,
    interval_of_mean,
    mean_error,
    split_patients,
)
from MRNLib.navigation.losses import derangement
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.navigation.trajectories import KINDS
from MRNLib.training.sampling import generator_for

CONFIG = tiny_config(held_out={"clips": 5})


class Oracle(Dynamics):
    """Predicts right where it is told right, and is off by one where it is not."""

    def __init__(self, frames: Tensor, actions: Tensor, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer.width, 1 + CONFIG.patches, CONFIG.dynamics)
        self.next = tokenizer.latents(frames)[:, 1:]
        self.actions = actions

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        wrong = (actions != self.actions).flatten(1).any(dim=1).float()
        return self.next + wrong[:, None, None, None]


@pytest.fixture
def tokenizer() -> Tokenizer:
    torch.manual_seed(1)
    return Tokenizer(CONFIG.encoder, CONFIG.images).eval().requires_grad_(False)


def test_errors_tell_who_reads_actions(tokenizer):
    volume, seeds = patients(1)[0], list(range(5))
    clips = make_clips([volume], CONFIG.clips, seeds)
    oracle = Oracle(clips.frames, clips.actions, tokenizer)
    kinds, found = clip_errors(tokenizer, oracle, volume, CONFIG, seeds)
    assert kinds == clips.kinds
    assert found["aligned"] == pytest.approx(np.zeros(5), abs=1e-6)
    assert found["shuffled"] == pytest.approx(np.ones(5), abs=1e-5)
    assert found["zeroed"] == pytest.approx(np.ones(5), abs=1e-5)
    latents = tokenizer.latents(clips.frames)
    copied = (latents[:, 1:] - latents[:, :-1]).abs().mean(dim=(1, 2, 3))
    assert found["copied"] == pytest.approx(copied.numpy(), rel=1e-5)


def test_an_untrained_model_has_no_gap(tokenizer):
    """It predicts the same frame again, whatever it is told."""
    dynamics = Dynamics(tokenizer.width, 1 + CONFIG.patches, CONFIG.dynamics).eval()
    gap = held_out_gap(tokenizer, dynamics, patients(3), CONFIG)
    assert gap["patients"] == 3
    assert gap["clips"] == 20
    assert gap["aligned_minus_shuffled"] == pytest.approx(0.0, abs=1e-7)
    low, high = gap["interval"]
    assert low <= gap["aligned_minus_shuffled"] <= high
    assert gap["errors"]["aligned"] == pytest.approx(gap["errors"]["copied"], abs=1e-6)
    assert held_out_gap(tokenizer, dynamics, [], CONFIG) is None


def test_errors_are_kept_by_patient_and_kind(tokenizer):
    """The means can be had from them again; patient 0 has two volumes."""
    dynamics = Dynamics(tokenizer.width, 1 + CONFIG.patches, CONFIG.dynamics).eval()
    torch.nn.init.normal_(dynamics.change.weight)
    gap = held_out_gap(tokenizer, dynamics, patients(3), CONFIG)
    kept = gap["by_patient"]
    counts = [sum(one["clips"] for one in kinds.values()) for kinds in kept.values()]
    assert counts == [10, 5, 5]
    for told, mean in gap["errors"].items():
        by_patient = [mean_error(one, told) for one in kept.values()]
        assert np.mean(by_patient) == pytest.approx(mean)
    assert {kind for kinds in kept.values() for kind in kinds} <= {*KINDS}
    seeds = [generator_for(CONFIG.train.seed, UNSEEN + 1, clip).initial_seed() for clip in range(5)]
    kinds, errors = clip_errors(tokenizer, dynamics, patients(3)[1], CONFIG, seeds)
    own = [error for kind, error in zip(kinds, errors["shuffled"], strict=True) if kind == kinds[0]]
    assert kept["patient_1"][kinds[0]]["clips"] == len(own)
    assert kept["patient_1"][kinds[0]]["shuffled"] == pytest.approx(np.mean(own))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5])
def test_volumes_of_a_patient_stay_together(share):
    volumes = patients(6)
    learned, held_out = split_patients(volumes, share, seed=1)
    names = [{one.name for one in part} for part in (learned, held_out)]
    assert not names[0] & names[1]
    assert len(names[1]) == (max(1, round(share * 6)) if share else 0)
    assert len(learned) + len(held_out) == len(volumes)
    assert [one.name for one in split_patients(volumes[::-1], share, seed=1)[1]] == [
        one.name for one in held_out[::-1]
    ]


def test_one_patient_is_not_held_out():
    volumes = [one for one in patients() if one.name == "patient_0"]
    assert split_patients(volumes, 0.5, seed=1) == (volumes, [])


def test_the_interval_is_that_of_a_mean():
    values = np.random.default_rng(3).normal(0.3, 1.0, 400)
    low, high = interval_of_mean(values, seed=1)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert interval_of_mean(values[:1], seed=1) is None


@pytest.mark.parametrize("count", [2, 3, 7])
def test_everybody_has_another_partner_once(count):
    seen = set()
    for seed in range(60):
        partners = derangement(count, generator_for(seed)).tolist()
        assert sorted(partners) == list(range(count))
        assert all(one != place for place, one in enumerate(partners))
        seen.add(tuple(partners))
    assert len(seen) == 1 if count == 2 else len(seen) > 1
