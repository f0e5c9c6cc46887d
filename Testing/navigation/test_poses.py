"""Poses and actions: a group of rigid moves with a scale, compared with SciPy's rotations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from MRNLib.navigation.poses import (
    ACTION_SIZE,
    PLANES,
    ROTATION,
    Poses,
    actions_between,
    composed,
    inverted,
    matrix_from_vector,
    moved,
    vector_from_matrix,
)

CLOSE = {"rtol": 0.0, "atol": 1e-9}


def random_poses(seed: int, *shape: int) -> Poses:
    random = np.random.default_rng(seed)
    rotation = Rotation.random(math.prod(shape), rng=random).as_matrix()
    return Poses(
        torch.from_numpy(random.normal(0, 50, (*shape, 3))),
        torch.from_numpy(rotation).reshape(*shape, 3, 3),
        torch.from_numpy(random.normal(0, 0.3, shape)),
    )


def assert_same(first: Poses, second: Poses, **tolerance: float) -> None:
    for name in ("centre", "rotation", "log_scale"):
        torch.testing.assert_close(
            getattr(first, name), getattr(second, name), **(tolerance or CLOSE)
        )


def test_matrices_are_scipys():
    vectors = np.random.default_rng(0).normal(0, 1.5, (200, 3))
    ours = matrix_from_vector(torch.from_numpy(vectors))
    np.testing.assert_allclose(ours, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-14)


def test_vectors_are_scipys():
    rotations = Rotation.random(200, rng=np.random.default_rng(1))
    ours = vector_from_matrix(torch.from_numpy(rotations.as_matrix()))
    np.testing.assert_allclose(ours, rotations.as_rotvec(), atol=1e-12)


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-8, 1e-4])
@pytest.mark.parametrize("about", [0.0, math.pi])
def test_angles_near_nothing_and_near_half_a_turn_keep_their_digits(about, apart):
    axes = torch.from_numpy(np.random.default_rng(2).normal(size=(50, 3)))
    axes = axes / axes.norm(dim=-1, keepdim=True)
    vectors = axes * abs(about - apart)
    found = vector_from_matrix(matrix_from_vector(vectors))
    opposite = (found * axes).sum(-1, keepdim=True) < 0
    if apart == 0:  # half a turn about an axis is half a turn about its opposite
        found = torch.where(opposite, -found, found)
    torch.testing.assert_close(found, vectors, rtol=0, atol=1e-14)
    if about == 0:
        torch.testing.assert_close(found, vectors, rtol=1e-6, atol=0)


def test_vectors_are_differentiable_at_rest():
    matrix = torch.eye(3, dtype=torch.float64, requires_grad=True)
    vector_from_matrix(matrix).sum().backward()
    assert torch.isfinite(matrix.grad).all()


def test_the_planes_are_rotations_shown_radiologically():
    for rotation in PLANES.values():
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
        assert torch.linalg.det(rotation) == pytest.approx(1)
    left, posterior, superior = torch.eye(3, dtype=torch.float64)
    for name, right_of_screen, down in (
        ("axial", left, posterior),
        ("coronal", left, -superior),
        ("sagittal", posterior, -superior),
    ):
        assert torch.equal(PLANES[name][:, 0], right_of_screen)
        assert torch.equal(PLANES[name][:, 1], down)


def test_an_action_is_told_in_the_slices_own_frame():
    coronal = Poses(torch.zeros(1, 3).double(), PLANES["coronal"][None], torch.zeros(1).double())
    # Five millimetres along the normal of the coronal slice lead to posterior.
    step = torch.tensor([[0.0, 0, 5, 0, 0, 0, 0.1]])
    there = moved(coronal, step)
    torch.testing.assert_close(there.centre, torch.tensor([[0.0, 5, 0]]).double())
    assert there.log_scale.item() == pytest.approx(0.1)
    torch.testing.assert_close(actions_between(coronal, there), step.double())


def test_moving_by_the_action_between_two_poses_arrives():
    first, second = random_poses(3, 4, 25), random_poses(4, 4, 25)
    action = actions_between(first, second)
    assert action.shape == (4, 25, ACTION_SIZE)
    assert_same(moved(first, action), second)


def test_the_inverse_leads_back():
    first, second = random_poses(5, 100), random_poses(6, 100)
    action = actions_between(first, second)
    assert_same(moved(second, inverted(action)), first)
    torch.testing.assert_close(inverted(action), actions_between(second, first), **CLOSE)
    torch.testing.assert_close(inverted(inverted(action)), action, **CLOSE)


def test_two_actions_are_one():
    first, second, third = (random_poses(seed, 100) for seed in (7, 8, 9))
    one, two = actions_between(first, second), actions_between(second, third)
    torch.testing.assert_close(composed(one, two), actions_between(first, third), **CLOSE)
    at_rest = composed(one, inverted(one))
    torch.testing.assert_close(at_rest, torch.zeros_like(at_rest), **CLOSE)


def test_actions_compose_as_scipys_rotations_do():
    one, two = (actions_between(random_poses(n, 50), random_poses(n + 1, 50)) for n in (10, 12))
    expected = Rotation.from_rotvec(one[:, ROTATION]) * Rotation.from_rotvec(two[:, ROTATION])
    np.testing.assert_allclose(composed(one, two)[:, ROTATION], expected.as_rotvec(), atol=1e-9)


def test_poses_are_cut_and_stacked():
    poses = random_poses(14, 3, 5)
    assert len(poses) == 3
    assert poses[1].shape == (5,)
    assert poses[:, 2].shape == (3,)
    assert_same(Poses.stack([poses[0], poses[1], poses[2]]), poses)
    with pytest.raises(ValueError, match="need centres"):
        Poses(poses.centre[0], poses.rotation, poses.log_scale)
