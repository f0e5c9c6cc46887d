from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from MRNLib.anatomy import NUCLEI, QSM_NUCLEI, SIDES
from MRNLib.phantom.coordinates import nucleus_axes
from MRNLib.phantom.geometry import draw
from MRNLib.phantom.grid import CHALLENGE_GRID
from MRNLib.phantom.patient import DEEP_GREY_WINDOW
from MRNLib.phantom.signs import (
    bright_core,
    lateralisation,
    nigrosome_weight,
    posterolateral_weight,
    severity,
    susceptibility_target,
)
from MRNLib.phantom.tables import NM_SN_MEAN, SUSCEPTIBILITY
from MRNLib.phantom.tissue import paint_nuclei
from MRNLib.phantom.truth import FEATURES, class_effects, random_stream, sample_truth

GRID = CHALLENGE_GRID.windowed(DEEP_GREY_WINDOW)


def _usual(diagnosis: str):
    """The mean patient of a class: no deviation, no side worse than the other."""
    truth = sample_truth(1, diagnosis)
    latent = dict(zip(FEATURES, class_effects() * (diagnosis == "PD"), strict=True))
    latent["asymmetry"] = -2.0
    return dataclasses.replace(
        truth, latent=latent, side_difference=dict.fromkeys(truth.side_difference, 0.0)
    )


@pytest.fixture(scope="module")
def anatomy():
    return draw(random_stream(1, "geometry"), GRID)


@pytest.fixture(scope="module")
def painted(anatomy):
    """Noise-free images of the mean patient of each class, over plain tissue."""
    result = {}
    for diagnosis in ("HC", "PD"):
        images = {
            "QSM": np.full(GRID.size, -10, np.float32),
            "NM": np.ones(GRID.size, np.float32),
        }
        paint_nuclei(images, anatomy, _usual(diagnosis), random_stream(1, "tissue"))
        result[diagnosis] = images
    return result


@pytest.mark.parametrize("diagnosis", ["HC", "PD"])
@pytest.mark.parametrize("nucleus", QSM_NUCLEI, ids=lambda item: item.key)
def test_label_means_are_the_published_ones(painted, anatomy, nucleus, diagnosis):
    image = painted[diagnosis]["QSM"]
    means = [float(image[anatomy.qsm_mask == nucleus.label(s)].mean()) for s in SIDES]
    row = SUSCEPTIBILITY[nucleus.key]
    assert np.mean(means) == pytest.approx(getattr(row, diagnosis.lower()), abs=0.5)
    assert means[1] - means[0] == pytest.approx(row.left_minus_right, abs=0.5)


@pytest.mark.parametrize("diagnosis", ["HC", "PD"])
def test_neuromelanin_means_are_the_published_ones(painted, anatomy, diagnosis):
    # The signs' share of a label's mean depends a little on its shape.
    mean = float(painted[diagnosis]["NM"][anatomy.nm_mask > 0].mean())
    assert mean == pytest.approx(NM_SN_MEAN[diagnosis], abs=0.004)


def test_the_class_leaves_no_trace_outside_the_labels(painted, anatomy):
    for modality, mask in (("QSM", anatomy.qsm_mask), ("NM", anatomy.nm_mask)):
        first, second = painted["HC"][modality], painted["PD"][modality]
        assert np.array_equal(first[mask == 0], second[mask == 0])


def test_neuromelanin_fades_first_posterolaterally(painted, anatomy):
    loss = painted["HC"]["NM"] - painted["PD"]["NM"]
    for side in SIDES:
        mask = anatomy.nm_mask == NUCLEI[-1].label(side)
        axes = nucleus_axes(mask, GRID.spacing, anatomy.side_sign(side))
        weight = posterolateral_weight(axes)
        assert loss[mask][weight > 0.9].mean() > 2 * loss[mask][weight < 0.1].mean()


def test_nigrosome_fills_up_in_disease(painted, anatomy):
    for side, label in (("R", 11), ("L", 12)):
        mask = anatomy.qsm_mask == label
        weight = nigrosome_weight(nucleus_axes(mask, GRID.spacing, anatomy.side_sign(side)))
        gaps = []
        for diagnosis in ("HC", "PD"):
            values = painted[diagnosis]["QSM"][mask]
            gaps.append(values[weight < 0.1].mean() - values[weight > 0.7].mean())
        assert gaps[0] > gaps[1] + 20


def test_small_nuclei_blend_into_their_surroundings(painted, anatomy):
    """Partial volume: a red nucleus has voxels between its own value and its surroundings'."""
    image = painted["HC"]["QSM"]
    near = image[anatomy.qsm_mask == 13]
    assert near.max() - near.min() > 40


def test_axes_point_posterolaterally_on_both_sides(anatomy):
    for side, label in (("R", 11), ("L", 12)):
        mask = anatomy.qsm_mask == label
        axes = nucleus_axes(mask, GRID.spacing, anatomy.side_sign(side))
        k, j, i = mask.nonzero()
        lateral = anatomy.side_sign(side) * i
        assert np.corrcoef(axes.outward, lateral)[0, 1] > 0.15
        assert np.corrcoef(axes.outward, -j)[0, 1] > 0.3
        assert np.corrcoef(axes.height, k)[0, 1] > 0.99
        assert abs(np.corrcoef(axes.outward, axes.across)[0, 1]) < 0.05


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_bright_core_fills_the_share_asked_for(anatomy, share):
    mask = anatomy.nm_mask == 1
    axes = nucleus_axes(mask, GRID.spacing, -1)
    core = bright_core(axes, np.zeros(int(mask.sum())), share)
    assert (core > 0.5).mean() == pytest.approx(share, abs=0.02)


def test_the_more_affected_side_is_worse():
    truth = sample_truth(2)
    other = "L" if truth.more_affected_side == "R" else "R"
    assert lateralisation(truth, truth.more_affected_side) == -lateralisation(truth, other) > 0
    for sign in ("nm_contrast", "nm_volume", "nigrosome"):
        assert severity(truth, sign, truth.more_affected_side) > severity(truth, sign, other)
    plain = dataclasses.replace(truth, side_difference=dict.fromkeys(truth.side_difference, 0.0))
    gap = susceptibility_target(plain, "SN", truth.more_affected_side)
    gap -= susceptibility_target(plain, "SN", other)
    assert gap > -SUSCEPTIBILITY["SN"].left_minus_right
