"""Frozen features: what they are of, and that no action is in them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from pretraining_helpers import tiny_config
from probe_helpers import labelled_heads

from MRNLib.navigation.batches import Batches
from MRNLib.navigation.clips import make_clips
from MRNLib.navigation.dynamics import Dynamics
from MRNLib.navigation.learners import TokenizerLearner, WorldLearner
from MRNLib.navigation.measuring.probefeatures import (
    context_features,
    no_features,
    random_tokenizer,
    tokenizer_features,
    told_features,
    untrained_dynamics,
)
from MRNLib.training.distributed import ALONE

CONFIG = tiny_config()


@pytest.fixture(scope="module")
def clips():
    return make_clips(labelled_heads([0]), CONFIG.clips, [1, 2, 3])


@pytest.fixture(scope="module")
def tokenizer():
    return random_tokenizer(CONFIG)


@pytest.fixture(scope="module")
def dynamics(tokenizer):
    torch.manual_seed(0)
    return Dynamics(tokenizer.width, 1 + CONFIG.patches, CONFIG.dynamics).eval()


def test_tokenizer_features_are_of_a_single_slice(clips, tokenizer):
    features = tokenizer_features(tokenizer, clips.frames)
    assert features.tokens.shape == (3, 4, 17, 16)
    assert [one.shape for one in features.maps] == [(3, 4, 16, 4, 4)] * 4
    assert torch.equal(features.maps[2], features.maps[3])  # of two blocks the last is repeated
    alone = tokenizer_features(tokenizer, clips.frames[1:2, 2:3])
    assert torch.allclose(alone.tokens[0, 0], features.tokens[1, 2], atol=1e-5)
    assert torch.equal(features.tokens[:, :, 1:].mT.unflatten(-1, (4, 4)), features.maps[-1])


def test_context_features_know_the_past_and_not_the_future(clips, tokenizer, dynamics):
    features = context_features(tokenizer, dynamics, clips.frames)
    assert features.tokens.shape == (3, 4, 17, 16)
    changed = clips.frames.clone()
    changed[:, 2] = 0.5
    other = context_features(tokenizer, dynamics, changed).tokens
    assert torch.equal(other[:, :2], features.tokens[:, :2])
    assert not torch.allclose(other[:, 3], features.tokens[:, 3])


def test_no_action_reaches_a_probe(clips, tokenizer, dynamics, monkeypatch):
    told = []
    context = Dynamics.context

    def listened(self, latents, actions=None):
        told.append(actions)
        return context(self, latents, actions)

    monkeypatch.setattr(Dynamics, "context", listened)
    found = context_features(tokenizer, dynamics, clips.frames)
    assert told == [None]
    # It would have mattered: the state knows the action that it is told.
    monkeypatch.undo()
    latents = tokenizer.latents(clips.frames)
    told_states = dynamics.context(latents, clips.actions)
    assert not torch.allclose(told_states, found.tokens, atol=1e-3)


def test_told_features_know_the_actions_of_the_past_alone(clips, tokenizer, dynamics):
    found = told_features(tokenizer, dynamics, clips.frames, clips.actions).tokens
    latents = tokenizer.latents(clips.frames)
    # The second slice: the first action, and then standing still.
    still = torch.cat([clips.actions[:, :1], torch.zeros(3, 1, 7)], dim=1)
    wanted = dynamics.context(latents[:, :2], still)[:, 1]
    assert torch.allclose(found[:, 1], wanted, atol=1e-5)
    mistold = clips.actions.clone()
    mistold[:, 1] += 1.0
    again = told_features(tokenizer, dynamics, clips.frames, mistold).tokens
    assert torch.equal(again[:, :2], found[:, :2])
    assert not torch.allclose(again[:, 2], found[:, 2], atol=1e-3)


def test_untrained_dynamics_are_where_pretraining_starts(tokenizer):
    batches = Batches(labelled_heads([0]), CONFIG, ALONE, torch.device("cpu"))
    start = WorldLearner(CONFIG, batches, tokenizer).module.dynamics.state_dict()
    found = untrained_dynamics(CONFIG, tokenizer.width).state_dict()
    assert all(torch.equal(one, found[name]) for name, one in start.items())


def test_pooled_features(clips, tokenizer):
    features = tokenizer_features(tokenizer, clips.frames)
    pooled = features.pooled()
    assert pooled.shape == (3, 4, 17 * 16)
    assert np.array_equal(pooled[..., :16], features.tokens[:, :, 0].numpy())
    large = dataclasses.replace(features, maps=(torch.rand(3, 4, 16, 8, 8),) * 4)
    assert large.pooled().shape == pooled.shape


def test_the_random_encoder_is_where_pretraining_starts():
    batches = Batches(labelled_heads([0]), CONFIG, ALONE, torch.device("cpu"))
    start = TokenizerLearner(CONFIG, batches).module.tokenizer.state_dict()
    random = random_tokenizer(CONFIG).state_dict()
    assert all(torch.equal(one, random[name]) for name, one in start.items())


def test_features_that_hold_nothing():
    features = no_features(torch.rand(2, 3, 8, 8))
    assert not features.pooled().any()
    assert features.pooled().shape[:2] == (2, 3)
