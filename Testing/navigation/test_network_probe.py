"""The small network that reads places, against features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_pose_probes import linear_features, owners, random_poses

from MRNLib.navigation.measuring.networkprobe import network_parts, network_places
from MRNLib.navigation.measuring.poseprobes import Places, ridge_places


def multiplied(count: int, seed: int) -> tuple[np.ndarray, Places]:
    """Features of which two numbers' product is a centre: no sum of them says it."""
    features = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    centre = np.zeros((count, 3))
    centre[:, 0] = 10.0 * features.prod(axis=1)
    return features, Places(centre, np.eye(3)[None].repeat(count, 0), np.zeros((count, 1)))


def test_a_product_is_read_by_the_network_alone():
    (train, places), (test, wanted) = multiplied(3000, 0), multiplied(500, 1)
    linear, network = (
        read(train, places, owners(3000), test).errors(wanted)
        for read in (ridge_places, network_places)
    )
    assert linear["mm"].mean() > 5.0
    assert network["mm"].mean() < 1.5
    # Parts that never differ are read as they are.
    assert network["degrees"].max() < 0.1
    assert network["log_scale"].max() < 1e-4


def test_what_is_linear_is_read_too():
    train, test = (Places.of_slices(random_poses(250, 4, seed)) for seed in (0, 1))
    found = network_places(linear_features(train), train, owners(1000), linear_features(test))
    errors = found.errors(test)
    # Centres spread over 35 mm, orientations over 50 degrees.
    assert errors["mm"].mean() < 4.0
    assert errors["degrees"].mean() < 6.0
    assert errors["log_scale"].mean() < 0.06


def test_features_of_chance_give_about_the_training_mean():
    train, test = (Places.of_slices(random_poses(60, 4, seed)) for seed in (0, 1))
    random = np.random.default_rng(2)
    noise = [random.normal(size=(240, 8)).astype(np.float32) for _ in range(2)]
    found = network_places(noise[0], train, owners(240), noise[1]).errors(test)
    mean = Places.of_parts(*(part.mean(0, keepdims=True).repeat(240, 0) for part in train.parts()))
    for name, error in mean.errors(test).items():
        assert found[name].mean() == pytest.approx(error.mean(), rel=0.08)


def test_what_cannot_be_learned_leaves_the_mean():
    """Parts that nothing foretells: the start, the mean, is better on others than any epoch."""
    random = np.random.default_rng(3)
    features = [random.normal(size=(60, 256)).astype(np.float32) for _ in range(2)]
    part = random.normal(size=(60, 2))
    (found,) = network_parts(features[0], [part], owners(60), features[1])
    assert np.square(found - part.mean(0)).mean() < 0.01 * part.var()


def test_the_same_again_is_the_same():
    train, places = multiplied(60, 0)
    torch.manual_seed(5)
    one = network_places(train, places, owners(60), train)
    torch.manual_seed(6)
    other = network_places(train, places, owners(60), train)
    assert np.array_equal(one.centre, other.centre)
