"""Each kind of path changes what it says and nothing else, and stays where it belongs."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from MRNLib.navigation.poses import PLANES, ROTATION, TRANSLATION, actions_between
from MRNLib.navigation.trajectories import KINDS, MotionSettings, folded, trajectory
from MRNLib.training.sampling import generator_for

LENGTH = 12
BOX = torch.tensor([[-20.0, -30.0, 5.0], [25.0, 40.0, 60.0]])
SETTINGS = MotionSettings()
SEEDS = range(15)


def path(kind: str, seed: int, **changes):
    settings = SETTINGS.model_copy(update=changes)
    return trajectory(kind, LENGTH, generator_for(seed), BOX, settings)


def actions(poses):
    return actions_between(poses[:-1], poses[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_paths_stay_in_their_box_and_range(kind):
    for seed in SEEDS:
        poses = path(kind, seed, walk_mm=20.0, scroll_mm=(5.0, 30.0), zoom=(0.1, 0.4))
        assert len(poses) == LENGTH
        assert (poses.centre >= BOX[0] - 1e-9).all()
        assert (poses.centre <= BOX[1] + 1e-9).all()
        assert (poses.log_scale.abs() <= SETTINGS.log_scale).all()
        torch.testing.assert_close(
            poses.rotation @ poses.rotation.mT, torch.eye(3).double().expand(LENGTH, 3, 3)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_paths_are_functions_of_their_generator(kind):
    first, again, other = path(kind, 1), path(kind, 1), path(kind, 2)
    assert torch.equal(actions(first), actions(again))
    assert torch.equal(first.centre, again.centre)
    assert not torch.equal(first.centre, other.centre)


def test_a_scroll_moves_along_the_normal_alone():
    low, high = SETTINGS.scroll_mm
    for seed in SEEDS:
        action = actions(path("scroll", seed))
        across = action[:, 2].abs()
        action[:, 2] = 0
        torch.testing.assert_close(action, torch.zeros_like(action), rtol=0, atol=1e-9)
        assert (across <= high + 1e-9).all()
        # A step that a side of the box has thrown back comes out shorter.
        assert (across >= low - 1e-9).float().mean() > 0.7
        assert across.std() > 0


def test_a_tilt_only_rotates_about_an_axis_in_the_slice():
    for seed in SEEDS:
        action = actions(path("tilt", seed))
        turns = action[:, ROTATION].norm(dim=1)
        assert (turns >= math.radians(SETTINGS.tilt_degrees[0]) - 1e-9).all()
        assert (turns <= math.radians(SETTINGS.tilt_degrees[1]) + 1e-9).all()
        assert action[:, 5].abs().max() < 1e-9
        action[:, ROTATION] = 0
        torch.testing.assert_close(action, torch.zeros_like(action), rtol=0, atol=1e-9)


def test_a_zoom_changes_only_the_scale():
    for seed in SEEDS:
        action = actions(path("zoom", seed))
        assert (action[:, 6].abs() <= SETTINGS.zoom[1] + 1e-9).all()
        assert action[:, 6].abs().max() > SETTINGS.zoom[0]
        assert action[:, :6].abs().max() < 1e-9


def test_a_plane_switch_turns_the_shortest_way_to_another_plane():
    seen = set()
    for seed in SEEDS:
        poses = path("plane_switch", seed)
        names = [
            name
            for rotation in poses.rotation[[0, -1]]
            for name, plane in PLANES.items()
            if angle(plane, rotation) <= SETTINGS.oblique_degrees + 1e-6
        ]
        assert len(set(names)) == len(names) == 2
        seen.update([tuple(names)])
        action = actions(poses)
        whole = angle(poses.rotation[0], poses.rotation[-1])
        steps = action[:, ROTATION].norm(dim=1)
        assert math.degrees(steps.sum()) == pytest.approx(whole)
        assert steps.max() < 2 * steps.min() + 1e-9
        assert action[:, TRANSLATION].abs().max() < 1e-9
        assert action[:, 6].abs().max() == 0
    assert len(seen) > 3


def angle(first: torch.Tensor, second: torch.Tensor) -> float:
    cosine = ((first.T @ second).trace() - 1) / 2
    return math.degrees(torch.acos(cosine.clamp(-1, 1)))


def test_a_random_walk_does_all_at_once():
    for seed in SEEDS:
        assert (actions(path("random_walk", seed)).abs().amax(0) > 0).all()


def test_a_way_is_thrown_back_at_both_ends():
    low, high = torch.tensor(1.0), torch.tensor(4.0)
    ways = torch.tensor([1.0, 2.5, 4.0, 5.0, 7.0, 8.0, 0.0, -2.0, -3.0])
    expected = torch.tensor([1.0, 2.5, 4.0, 3.0, 1.0, 2.0, 2.0, 4.0, 3.0])
    torch.testing.assert_close(folded(ways, low, high), expected)
    assert (folded(ways, low, low) == low).all()


def test_a_box_without_thickness_can_be_walked():
    flat = BOX.clone()
    flat[1, 2] = flat[0, 2]
    for kind in KINDS:
        poses = trajectory(kind, LENGTH, generator_for(3), flat, SETTINGS)
        assert torch.isfinite(poses.centre).all()
        torch.testing.assert_close(poses.centre[:, 2], torch.full((LENGTH,), 5.0).double())


@pytest.mark.parametrize(
    "settings",
    [{"scroll_mm": [3, 1]}, {"zoom": [0, 1]}, {"tilt_degrees": [10, 200]}, {"scrol_mm": [1, 2]}],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValidationError):
        MotionSettings(**settings)


def test_a_path_of_one_slice_is_refused():
    with pytest.raises(ValueError, match="two slices or more"):
        trajectory("scroll", 1, generator_for(0), BOX, SETTINGS)
