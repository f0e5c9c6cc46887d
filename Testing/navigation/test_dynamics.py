"""Prediction of slices: no look into the future, actions that matter, losses as written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from MRNLib.navigation.config import DynamicsSettings
from MRNLib.navigation.dynamics import UNITS, Dynamics
from MRNLib.navigation.losses import latent_errors
from MRNLib.navigation.poses import LOG_SCALE, ROTATION, TRANSLATION, Poses, actions_between
from MRNLib.navigation.tokenizer import layer_normed
from MRNLib.navigation.trajectories import KINDS, MotionSettings, trajectory
from MRNLib.training.sampling import generator_for

CLIPS, FRAMES, TOKENS, WIDTH = 2, 6, 5, 12
SETTINGS = DynamicsSettings(width=16, depth=2, heads=2)


def model() -> Dynamics:
    """With random weights everywhere: in the beginning nothing is steered and nothing changes."""
    torch.manual_seed(3)
    dynamics = Dynamics(WIDTH, TOKENS, SETTINGS)
    for one in (dynamics.change, *(block.steer for block in dynamics.blocks)):
        torch.nn.init.normal_(one.weight, std=one.in_features**-0.5)
    return dynamics


def latents(seed: int = 1, frames: int = FRAMES) -> Tensor:
    shape = (CLIPS, frames, TOKENS, WIDTH)
    return layer_normed(torch.randn(shape, generator=generator_for(seed)))


def actions(seed: int = 2, frames: int = FRAMES) -> Tensor:
    scale = torch.tensor([5.0, 5, 5, 0.1, 0.1, 0.1, 0.1])
    return torch.randn(CLIPS, frames, 7, generator=generator_for(seed)) * scale


def test_predictions_are_layer_normed_and_start_as_the_frame_itself():
    found = model()(latents(), actions())
    assert found.shape == (CLIPS, FRAMES, TOKENS, WIDTH)
    assert torch.allclose(found, layer_normed(found), atol=1e-5)
    untrained = Dynamics(WIDTH, TOKENS, SETTINGS)(latents(), actions())
    assert torch.allclose(untrained, latents(), atol=1e-5)


@pytest.mark.parametrize("time", range(1, FRAMES))
def test_nothing_later_changes_an_earlier_prediction(time):
    dynamics = model()
    before = dynamics(latents(), actions())
    other = latents()
    other[:, time:] = latents(9)[:, time:]
    found = dynamics(other, actions())
    assert torch.allclose(found[:, :time], before[:, :time], atol=1e-6, rtol=0)
    assert not torch.allclose(found[:, time], before[:, time], atol=1e-2)
    moves = actions()
    moves[:, time:] = actions(8)[:, time:]
    found = dynamics(latents(), moves)
    assert torch.allclose(found[:, :time], before[:, :time], atol=1e-6, rtol=0)
    # A frame added at the end is a later frame too.
    longer = dynamics(latents()[:, :time], actions()[:, :time])
    assert torch.allclose(longer, before[:, :time], atol=1e-5, rtol=0)


@pytest.mark.parametrize("part", range(7))
def test_every_part_of_an_action_changes_its_prediction(part):
    dynamics, moves = model(), actions()
    before = dynamics(latents(), moves)
    moves[:, 2, part] += 1.0
    found = dynamics(latents(), moves)
    assert (found - before)[:, 2].abs().amax() > 1e-3
    assert torch.allclose(found[:, :2], before[:, :2], atol=1e-6, rtol=0)


def test_actions_steer_every_half_of_every_block():
    """The product of content and action that a sum alone does not give."""
    dynamics, moves = model(), actions()
    still = dynamics.context(latents())
    for block in dynamics.blocks:
        for part in block.steer.weight.data.chunk(4):
            kept = part.clone()
            before = dynamics.context(latents(), moves)
            part.zero_()
            assert not torch.allclose(dynamics.context(latents(), moves), before, atol=1e-3)
            part.copy_(kept)
    assert not torch.allclose(dynamics.context(latents(), moves), still, atol=1e-2)


def test_earlier_frames_are_remembered():
    dynamics = model()
    other = latents()
    other[:, 0] = latents(9)[:, 0]
    difference = dynamics(other, actions()) - dynamics(latents(), actions())
    assert (difference[:, -1].abs().amax(dim=(1, 2)) > 1e-4).all()


def test_actions_are_told_in_ordinary_steps():
    dynamics = model()
    seen: list[Tensor] = []
    dynamics.action[0].register_forward_hook(lambda module, given, made: seen.append(given[0]))
    dynamics(latents(), actions())
    assert torch.allclose(seen[0], actions() / torch.tensor(UNITS))


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_steps_are_those_of_the_paths(kind):
    """Each part that moves along a kind of path is of order 1 in its unit."""
    bounds = torch.tensor([[-60.0, -80, -60], [60, 80, 60]], dtype=torch.float64)
    paths = Poses.stack(
        [trajectory(kind, 8, generator_for(seed), bounds, MotionSettings()) for seed in range(40)]
    )
    told = actions_between(paths[:, :-1], paths[:, 1:]) / torch.tensor(UNITS)
    for part in (TRANSLATION, ROTATION, LOG_SCALE):
        size = float(told[..., part].norm(dim=-1).square().mean().sqrt())
        assert size < 1e-6 or 0.4 < size < 3


def test_context_without_actions_is_that_of_standing_still():
    dynamics = model()
    still = dynamics.context(latents(), torch.zeros(CLIPS, FRAMES, 7))
    assert still.shape == (CLIPS, FRAMES, TOKENS, SETTINGS.width)
    assert torch.equal(dynamics.context(latents()), still)
    moves = actions()
    moves[:, -1] = 0
    assert torch.equal(
        dynamics.context(latents(), moves[:, :-1]), dynamics.context(latents(), moves)
    )


def test_rollout_feeds_predictions_back():
    dynamics, true, moves = model(), latents(), actions()
    first = dynamics(true[:, :3], moves[:, :3])[:, 2:]
    second = dynamics(torch.cat([true[:, :3], first], 1), moves[:, :4])[:, 3:]
    third = dynamics(torch.cat([true[:, :3], first, second], 1), moves[:, :5])[:, 4:]
    found = dynamics.rollout(true[:, :3], moves[:, :5], 3)
    assert torch.allclose(found, torch.cat([first, second, third], 1), atol=1e-6)


def test_a_long_rollout_looks_back_on_as_many_frames_as_were_learned_from():
    dynamics, true, moves = model(), latents(), actions()
    first = dynamics(true[:, 1:3], moves[:, 1:3])[:, 1:]
    second = dynamics(torch.cat([true[:, 2:3], first], 1), moves[:, 2:4])[:, 1:]
    found = dynamics.rollout(true[:, :3], moves[:, :4], 2, window=2)
    assert torch.allclose(found, torch.cat([first, second], 1), atol=1e-6)
    whole = dynamics.rollout(true[:, :3], moves[:, :4], 2)
    assert torch.equal(dynamics.rollout(true[:, :3], moves[:, :4], 2, window=9), whole)


def test_error_is_of_each_clip():
    predicted, wanted = latents(), latents(5)
    found = latent_errors(predicted, wanted)
    assert found.shape == (CLIPS,)
    assert float(found[1]) == pytest.approx(float((predicted[1] - wanted[1]).abs().mean()))
