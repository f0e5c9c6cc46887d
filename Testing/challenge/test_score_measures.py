"""Dice and surface distances: closed forms, MONAI on random masks, and what is not there."""

from __future__ import annotations

import math
import warnings
from dataclasses import astuple

import numpy as np
import pytest
from scipy import ndimage

from MRNLib.challenge.measures import agreement, agreements

SPACING = (2.0, 0.6667, 0.6667)


def box(start, size, shape=(20, 24, 28)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def blob(rng, shape=(12, 20, 22)):
    return ndimage.gaussian_filter(rng.normal(size=shape), 1.5) > 0.05


def test_the_same_mask_twice():
    mask = box((5, 5, 5), (4, 6, 8))
    found = agreement(mask, mask, SPACING)
    assert (found.dice, found.hausdorff, found.hausdorff95_mm, found.surface_mm) == (1, 0, 0, 0)


@pytest.mark.parametrize(("axis", "steps"), [(0, 1), (1, 2), (2, 3)])
def test_a_moved_box(axis, steps):
    size = (6, 7, 8)
    start = np.array([6, 6, 6])
    moved = start + steps * np.eye(3, dtype=int)[axis]
    found = agreement(box(start, size), box(moved, size), SPACING)
    assert found.dice == pytest.approx(1 - steps / size[axis])
    assert found.hausdorff == steps  # voxels, whatever their length
    # A whole face of each is that far from the other: more than 5 % of the surface.
    assert found.hausdorff95_mm == pytest.approx(steps * SPACING[axis])


def test_two_single_voxels():
    first, second = box((3, 4, 5), (1, 1, 1)), box((5, 7, 11), (1, 1, 1))
    found = agreement(first, second, SPACING)
    assert found.dice == 0
    assert found.hausdorff == 7  # of (2, 3, 6)
    apart = math.dist((0, 0, 0), (4, 3 * 0.6667, 6 * 0.6667))
    assert found.hausdorff95_mm == pytest.approx(apart)
    assert found.surface_mm == pytest.approx(apart)


def test_the_surface_of_a_thick_slab_and_one_that_lies_in_it():
    """A cube of 5 and its centre voxel: 98 surface voxels of known distances, and one of 2."""
    found = agreement(box((8, 8, 8), (5, 5, 5)), box((10, 10, 10), (1, 1, 1)), (1, 1, 1))
    steps = np.abs(np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3))).reshape(3, -1)
    outer = np.sqrt((steps**2).sum(axis=0))[steps.max(axis=0) == 2]
    assert outer.size == 98
    assert found.dice == pytest.approx(2 / 126)
    assert found.hausdorff == pytest.approx(math.sqrt(12))
    assert found.hausdorff95_mm == pytest.approx(np.percentile(outer, 95))
    assert found.surface_mm == pytest.approx((outer.sum() + 2) / 99)


def test_the_edge_of_the_volume_is_a_surface():
    whole = np.ones((5, 5, 5), bool)
    assert agreement(whole, box((2, 2, 2), (1, 1, 1), (5, 5, 5)), (1, 1, 1)).hausdorff == (
        pytest.approx(math.sqrt(12))
    )


@pytest.mark.parametrize("seed", range(8))
def test_monai_finds_the_same(seed):
    import torch
    from monai.metrics import compute_average_surface_distance as average
    from monai.metrics import compute_dice
    from monai.metrics import compute_hausdorff_distance as hausdorff

    rng = np.random.default_rng(seed)
    truth, predicted = blob(rng), blob(rng)
    found = agreement(truth, predicted, SPACING)
    pair = [torch.tensor(mask[None, None]) for mask in (predicted, truth)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = [
            compute_dice(*pair),
            hausdorff(*pair, include_background=True),
            hausdorff(*pair, include_background=True, percentile=95, spacing=SPACING),
            average(*pair, include_background=True, symmetric=True, spacing=SPACING),
        ]
    values = (found.dice, found.hausdorff, found.hausdorff95_mm, found.surface_mm)
    assert values == pytest.approx([float(one) for one in known], rel=1e-5)


def test_cropping_changes_nothing():
    rng = np.random.default_rng(1)
    truth, predicted = blob(rng), blob(rng)
    predicted[0, 0, 0] = True
    wide = [np.pad(mask, ((3, 9), (40, 1), (0, 50))) for mask in (truth, predicted)]
    alone = agreement(truth, predicted, SPACING)
    (cropped,) = agreements(wide[0] * 3, wide[1] * 3, [3], SPACING)
    for found in (agreement(*wide, SPACING), cropped):
        assert astuple(found) == pytest.approx(astuple(alone), rel=1e-12)


def test_a_mask_without_a_voxel_has_no_distance():
    mask, nothing = box((5, 5, 5), (4, 4, 4)), np.zeros((20, 24, 28), bool)
    for one, other in ((mask, nothing), (nothing, mask)):
        found = agreement(one, other, SPACING)
        assert found.dice == 0
        assert [found.hausdorff, found.hausdorff95_mm, found.surface_mm] == [math.inf] * 3
    neither = agreement(nothing, nothing, SPACING)
    assert math.isnan(neither.dice)
    assert neither.hausdorff == math.inf


def test_labels_do_not_mix():
    truth = box((2, 2, 2), (3, 3, 3)) * 1 + box((10, 10, 10), (3, 3, 3)) * 2
    predicted = box((2, 2, 3), (3, 3, 3)) * 1
    found = agreements(truth, predicted, [1, 2, 5], SPACING)
    assert found[0].hausdorff == 1
    assert found[1].dice == 0
    assert math.isnan(found[2].dice)
