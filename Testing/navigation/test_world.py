"""The second stage's losses, as loops written out, and that they teach what actions do."""

from __future__ import annotations

import pytest
import torch
from pretraining_helpers import tiny_config
from torch import Tensor

from MRNLib.navigation.tokenizer import layer_normed, patchified
from MRNLib.navigation.world import World
from MRNLib.training.sampling import generator_for

CLIPS, FRAMES, TOKENS, WIDTH = 2, 6, 17, 12


def world(**dynamics: object) -> World:
    """With random weights everywhere: the change that it starts with is none."""
    torch.manual_seed(3)
    made = World(tiny_config(dynamics=dynamics), WIDTH)
    torch.nn.init.normal_(made.dynamics.change.weight)
    return made


def clips(seed: int = 1, count: int = CLIPS) -> tuple[Tensor, Tensor, Tensor]:
    """Frames, latents that have nothing to do with them, and actions."""
    generator = generator_for(seed)
    frames = torch.rand(count, FRAMES, 28, 28, generator=generator)
    latents = layer_normed(torch.randn(count, FRAMES, TOKENS, WIDTH, generator=generator))
    actions = torch.randn(count, FRAMES - 1, 7, generator=generator)
    return frames, latents, actions


def mean_difference(found: Tensor, wanted: Tensor) -> float:
    pairs = zip(found.flatten().tolist(), wanted.flatten().tolist(), strict=True)
    values = [abs(one - other) for one, other in pairs]
    return sum(values) / len(values)


@pytest.mark.parametrize("start", [0, 2, 3])
def test_losses_are_those_of_loops_written_out(start):
    made = world(teacher_forcing=0.7, rollout=0.4)
    (frames, true, moves), dynamics = clips(), made.dynamics
    losses = made(frames, true, moves, start)
    forced = []
    for time in range(FRAMES - 1):
        following = dynamics(true[:, : time + 1], moves[:, : time + 1])[:, -1]
        forced.append(mean_difference(following, true[:, time + 1]))
    known = true[:, : start + 1]
    first = dynamics(known, moves[:, : start + 1])[:, -1:]
    second = dynamics(torch.cat([known, first], 1), moves[:, : start + 2])[:, -1:]
    rolled = [
        mean_difference(first[:, 0], true[:, start + 1]),
        mean_difference(second[:, 0], true[:, start + 2]),
    ]
    drawn = [made.picture(true[:, time]) for time in range(FRAMES)]
    errors = [
        (drawn[time][clip] - patchified(frames[clip, time : time + 1], 7)[0]).square().mean()
        for time in range(FRAMES)
        for clip in range(CLIPS)
    ]
    wanted = [sum(forced) / len(forced), sum(rolled) / 2, torch.stack(errors).mean().item()]
    found = [losses[name].item() for name in ("teacher_forcing", "rollout", "picture")]
    assert found == pytest.approx(wanted, rel=1e-4)
    total = 0.7 * found[0] + 0.4 * found[1] + found[2]
    assert losses["total"].item() == pytest.approx(total, rel=1e-5)


def test_a_longer_rollout_goes_on_by_itself():
    made = world(rollout_steps=3)
    frames, true, moves = clips()
    rolled = made.dynamics.rollout(true[:, :3], moves[:, :5], 3)
    wanted = mean_difference(rolled, true[:, 3:])
    assert made(frames, true, moves, 2)["rollout"].item() == pytest.approx(wanted, rel=1e-4)


def test_without_a_weight_there_is_no_rollout():
    losses = world(rollout=0.0)(*clips(), 0)
    assert losses.keys() == {"total", "teacher_forcing", "picture"}


def test_the_picture_has_no_say_in_the_dynamics():
    made = world()
    frames, true, moves = clips()
    gradients = []
    for shown in (frames, 1 - frames):
        made.zero_grad()
        made(shown, true, moves, 1)["total"].backward()
        gradients.append([one.grad.clone() for one in made.dynamics.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    assert all(one.grad is not None for one in made.parameters())


def test_it_learns_what_the_actions_do():
    """The next frame is this one shifted by the action: only who reads it can predict it."""
    torch.manual_seed(1)
    made = World(tiny_config(), WIDTH)
    optimizer = torch.optim.AdamW(made.parameters(), 3e-3)
    direction, count = torch.randn(WIDTH), 6
    frames = torch.rand(count, 4, 28, 28)
    values = []
    for step in range(40):
        moves = torch.zeros(count, 3, 7)
        moves[..., 3] = torch.randn(count, 3, generator=generator_for(step))
        start = torch.randn(count, 1, TOKENS, WIDTH, generator=generator_for(step, 1)) * 0.1
        shift = torch.cat([torch.zeros(count, 1), moves[..., 3].cumsum(1)], 1)
        latents = layer_normed(start + shift[..., None, None] * direction)
        found = made(frames, latents, moves, 0)
        optimizer.zero_grad()
        found["total"].backward()
        optimizer.step()
        values.append([found[name].item() for name in ("teacher_forcing", "rollout")])
    first, last = torch.tensor(values[:10]).mean(0), torch.tensor(values[-10:]).mean(0)
    assert (last < 0.8 * first).all()
