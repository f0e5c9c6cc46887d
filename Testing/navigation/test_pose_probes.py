"""Probes of poses against features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from MRNLib.navigation.measuring.poseprobes import (
    Places,
    nearest_planes,
    nearest_rotations,
    plane_classes,
    ridge_places,
)
from MRNLib.navigation.poses import PLANES, Poses, matrix_from_vector


def random_poses(clips: int, length: int, seed: int = 0) -> Poses:
    random = np.random.default_rng(seed)
    turn = torch.from_numpy(random.normal(0, 0.5, (clips, length, 3)))
    return Poses(
        torch.from_numpy(random.normal(0, 20, (clips, length, 3))),
        matrix_from_vector(turn),
        torch.from_numpy(random.normal(0, 0.3, (clips, length))),
    )


def linear_features(places: Places, seed: int = 1) -> np.ndarray:
    """The truth, each part as large as the others, mixed by a random matrix."""
    scales = (20, 0.5, 0.3)
    truth = np.hstack([part / one for part, one in zip(places.parts(), scales, strict=True)])
    mix = np.random.default_rng(seed).normal(size=(truth.shape[1], 20))
    return (truth @ mix).astype(np.float32)


def owners(count: int) -> list[str]:
    return [f"p{number % 10}" for number in range(count)]


def test_features_that_hold_the_pose_give_no_error():
    train, test = (Places.of_slices(random_poses(60, 4, seed)) for seed in (0, 1))
    found = ridge_places(linear_features(train), train, owners(240), linear_features(test))
    errors = found.errors(test)
    # Centres spread over 35 mm; the weakest ridge still holds back a little.
    assert errors["mm"].mean() < 0.2
    assert errors["degrees"].mean() < 0.2
    assert errors["log_scale"].mean() < 2e-3


def test_features_of_chance_give_the_training_mean():
    train, test = (Places.of_slices(random_poses(60, 4, seed)) for seed in (0, 1))
    random = np.random.default_rng(2)
    noise = [random.normal(size=(240, 8)).astype(np.float32) for _ in range(2)]
    zeros = [np.zeros((240, 3), np.float32) for _ in range(2)]
    mean = Places.of_parts(*(part.mean(0, keepdims=True).repeat(240, 0) for part in train.parts()))
    nothing = ridge_places(zeros[0], train, owners(240), zeros[1])
    for part, wanted in zip(nothing.parts(), mean.parts(), strict=True):
        assert np.allclose(part, wanted, atol=1e-4)
    found = ridge_places(noise[0], train, owners(240), noise[1]).errors(test)
    for name, error in mean.errors(test).items():
        assert found[name].mean() == pytest.approx(error.mean(), rel=0.05)


def test_errors_are_what_they_say():
    turn = Rotation.from_rotvec([0, 0, np.deg2rad(30)]).as_matrix()[None]
    one = Places(np.zeros((1, 3)), np.eye(3)[None], np.zeros((1, 1)))
    other = Places(np.array([[3.0, 4.0, 0.0]]), turn, np.full((1, 1), -0.2))
    errors = one.errors(other)
    assert errors["mm"] == pytest.approx([5.0])
    assert errors["degrees"] == pytest.approx([30.0])
    assert errors["log_scale"] == pytest.approx([0.2])


def test_nearest_rotations_are_rotations_and_keep_rotations():
    random = np.random.default_rng(0)
    turns = Rotation.random(20, rng=random).as_matrix()
    assert np.allclose(nearest_rotations(turns * 0.3), turns)
    found = nearest_rotations(random.normal(size=(50, 3, 3)))
    assert np.allclose(found @ np.swapaxes(found, 1, 2), np.eye(3))
    assert np.allclose(np.linalg.det(found), 1.0)


def test_planes_by_normals():
    turns = torch.stack(list(PLANES.values())).numpy()
    tilted = turns @ Rotation.from_rotvec([0.2, -0.1, 2.5]).as_matrix()
    assert nearest_planes(turns).tolist() == [0, 1, 2]
    # Turned about its own normal a slice stays in its plane, and looking from behind too.
    assert nearest_planes(turns @ Rotation.from_rotvec([0, 0, 2.0]).as_matrix()).tolist() == [
        0,
        1,
        2,
    ]
    assert nearest_planes(turns @ np.diag([1.0, -1.0, -1.0])).tolist() == [0, 1, 2]
    assert nearest_planes(tilted).tolist() == [0, 1, 2]


def test_plane_classes_read_what_is_there_and_guess_the_commonest():
    random = np.random.default_rng(0)
    planes = random.choice(3, 300, p=[0.5, 0.3, 0.2])
    features = (np.eye(3)[planes] + random.normal(0, 0.02, (300, 3))).astype(np.float32)
    assert (plane_classes(features, planes, owners(300), features) == planes).all()
    nothing = np.zeros((300, 2), np.float32)
    assert (plane_classes(nothing, planes, owners(300), nothing[:5]) == 0).all()
