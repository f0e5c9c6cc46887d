from __future__ import annotations

import numpy as np
import pytest

from MRNLib.errors import InputError
from MRNLib.phantom import image_measurements, paint, sample_truth
from MRNLib.phantom.patient import DEEP_GREY_WINDOW
from MRNLib.phantom.signs import susceptibility_target

SEED = 9_600_000


@pytest.fixture(scope="module")
def masks(control):
    """Somebody's masks on a smaller volume of their own."""
    return control.qsm_mask.copy(), control.nm_mask.copy()


@pytest.fixture(scope="module")
def painted(masks, control):
    return paint(*masks, control.spacing, SEED, "PD", modalities=("QSM", "NM"))


def test_the_masks_stay_as_they_are(painted, masks):
    assert np.array_equal(painted.qsm_mask, masks[0])
    assert np.array_equal(painted.nm_mask, masks[1])
    assert painted.qsm.shape == masks[0].shape
    assert painted.t1 is None


def test_the_same_seed_paints_the_same_bytes(painted, masks, control):
    again = paint(*masks, control.spacing, SEED, "PD", modalities=("QSM", "NM"))
    assert np.array_equal(again.qsm, painted.qsm)
    assert np.array_equal(again.nm, painted.nm)


def test_the_tissue_is_that_of_the_seeds_patient(painted):
    truth = sample_truth(SEED, "PD")
    assert painted.truth == truth
    for key, right in (("GP", 5), ("SN", 11), ("DN", 15)):
        for side, label in (("R", right), ("L", right + 1)):
            found = float(painted.qsm[painted.qsm_mask == label].mean())
            # Noise of 14 ppb over hundreds of voxels, and the scanner's slow residual field.
            assert found == pytest.approx(susceptibility_target(truth, key, side), abs=18)


def test_painted_classes_differ_as_made_up_ones_do(painted, masks, control):
    other = paint(*masks, control.spacing, SEED, "HC", modalities=("QSM", "NM"))
    found = [
        image_measurements(p.qsm, p.nm, p.qsm_mask, p.nm_mask, p.spacing) for p in (other, painted)
    ]
    assert found[0]["nm contrast"] > found[1]["nm contrast"] + 0.01
    assert found[0]["nigrosome"] < found[1]["nigrosome"] - 20
    outside = masks[0] == 0
    assert np.array_equal(other.qsm[outside], painted.qsm[outside])


def test_a_head_surrounds_the_masks(painted):
    assert (painted.qsm != 0).mean() > 0.2
    assert painted.qsm[painted.qsm_mask == 0].std() > 15


def test_a_side_or_a_nucleus_may_be_missing(masks, control):
    qsm_mask, nm_mask = (mask.copy() for mask in masks)
    qsm_mask[np.isin(qsm_mask, (9, 10, 15))] = 0
    nm_mask[nm_mask == 2] = 0
    phantom = paint(qsm_mask, nm_mask, control.spacing, SEED, "HC", modalities=("NM",))
    assert np.array_equal(phantom.nm_mask, nm_mask)


def test_another_voxel_size_works(masks):
    coarse = tuple(mask[:, ::2, ::2] for mask in masks)
    phantom = paint(*coarse, (4 / 3, 4 / 3, 2.0), SEED, "HC", modalities=("QSM",))
    assert phantom.qsm.shape == coarse[0].shape
    assert phantom.qsm[coarse[0] > 0].mean() > 5


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda q, n: (q, n[1:]), "NM mask has shape"),
        (lambda q, n: (q + np.uint8(5), n), "QSM mask has the labels"),
        (lambda q, n: (q, n * 0), "NM mask has the labels"),
    ],
)
def test_masks_that_cannot_be_used_are_named(masks, control, change, text):
    with pytest.raises(InputError, match=text):
        paint(*change(*masks), control.spacing, SEED)


def test_the_window_used_here_is_the_deep_grey_one(masks):
    assert masks[0].shape == tuple(stop - start for start, stop in DEEP_GREY_WINDOW)
