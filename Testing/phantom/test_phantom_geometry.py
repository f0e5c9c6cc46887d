from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from MRNLib.anatomy import NUCLEI, SIDES
from MRNLib.phantom.checks import dice_of_mean_shapes, frame_of, overlap_share
from MRNLib.phantom.geometry import ORIGIN_MM, draw, mean_anatomy
from MRNLib.phantom.grid import CHALLENGE_GRID
from MRNLib.phantom.patient import DEEP_GREY_WINDOW
from MRNLib.phantom.pose import Pose
from MRNLib.phantom.shapes import HEIGHTS, SHAPES
from MRNLib.phantom.truth import random_stream

GRID = CHALLENGE_GRID.windowed(DEEP_GREY_WINDOW)
VOXEL_MM3 = float(np.prod(GRID.spacing))
PATIENTS = 16


@pytest.fixture(scope="module")
def anatomies():
    return [draw(random_stream(seed, "geometry"), GRID) for seed in range(PATIENTS)]


@pytest.fixture(scope="module")
def mean():
    return mean_anatomy(GRID, Pose(ORIGIN_MM, 1.0, 0.0, 0.0))


def _volumes(anatomy) -> np.ndarray:
    return np.array([item.mask.sum() * VOXEL_MM3 for item in anatomy.structures])


def test_profiles_are_complete():
    for shape in SHAPES.values():
        rows = (shape.lateral, shape.anterior, shape.area, shape.angle, shape.aspect)
        assert {len(row) for row in (*rows, shape.curvature)} == {len(HEIGHTS)}


def test_mean_shapes_have_the_challenge_cohorts_volumes(mean):
    wanted = np.array([volume for item in NUCLEI for volume in SHAPES[item.key].volumes])
    ratio = _volumes(mean) / wanted
    # Whole voxels in one alignment: the STN is two or three slices high.
    assert ratio == pytest.approx(np.ones(18), abs=0.25)


def test_drawn_volumes_are_those_of_the_challenge_on_average(anatomies):
    made = np.mean([_volumes(item) for item in anatomies], axis=0)
    wanted = np.array([volume for item in NUCLEI for volume in SHAPES[item.key].volumes])
    # Spread between subjects up to 22 %: standard error of the mean of 16 about 5 %.
    assert made / wanted == pytest.approx(np.ones(18), abs=0.18)


def test_mean_shapes_sit_at_their_centroids(mean):
    for item in mean.structures:
        found = np.argwhere(item.mask).mean(axis=0) + [cut.start for cut in item.box]
        found = (found + [start for start, _ in GRID.bounds])[::-1] * GRID.spacing - ORIGIN_MM
        lateral, anterior, superior = SHAPES[item.nucleus.key].centroid
        wanted = (lateral * mean.side_sign(item.side), anterior, superior)
        # The table's centroids are in the subject's frame; a bent stack's own may be off a little.
        assert found == pytest.approx(wanted, abs=1.6), item.nucleus.key


def test_every_label_is_there_in_one_piece(anatomies):
    for anatomy in anatomies:
        for item in anatomy.structures:
            assert item.mask.any()
            parts, count = ndimage.label(item.mask, np.ones((3, 3, 3)))
            largest = np.bincount(parts.ravel())[1:].max()
            assert count == 1 or largest > 0.9 * item.mask.sum()


def test_right_and_left_are_where_their_numbers_say(anatomies):
    for anatomy in anatomies[:4]:
        for nucleus in NUCLEI:
            mask = {"QSM": anatomy.qsm_mask, "NM": anatomy.nm_mask}[nucleus.modality]
            columns = [np.argwhere(mask == nucleus.label(s))[:, 2].mean() for s in SIDES]
            # i runs to the patient's left.
            assert columns[0] < columns[1]


def test_masks_are_what_is_more_than_half_filled(mean):
    for item in mean.structures:
        assert item.occupancy[item.mask].mean() > 0.7
        assert item.occupancy.min() >= 0.0
        assert item.occupancy.max() <= 1.0 + 1e-6
    surface = [m for m in mean.structures if m.nucleus.key == "STN"]
    for item in surface:
        part = (item.occupancy > 0.05) & (item.occupancy < 0.95)
        assert part.sum() > 20


def test_neuromelanin_and_susceptibility_outline_the_nigra_differently(anatomies):
    scores = []
    for anatomy in anatomies:
        for label in (1, 2):
            first, second = anatomy.nm_mask == label, anatomy.qsm_mask == 10 + label
            scores.append(2 * (first & second).sum() / (first.sum() + second.sum()))
    # Real mask pairs: .25 to .73.
    assert 0.45 < np.mean(scores) < 0.7
    assert max(scores) < 0.85


def test_few_voxels_are_claimed_twice(mean):
    assert overlap_share(mean) < 0.05


def test_whole_heads_differ_in_place_and_turn(anatomies):
    frames = [frame_of(item.qsm_mask, GRID.spacing) for item in anatomies[:8]]
    places = np.array([frame.origin for frame in frames])
    assert (places.std(axis=0) > 0.4).all()
    assert np.std([frame.yaw for frame in frames]) > 0.01


def test_the_box_of_the_deep_grey_matter_holds_every_nucleus(anatomies):
    for anatomy in anatomies:
        labelled = np.argwhere((anatomy.qsm_mask > 0) | (anatomy.nm_mask > 0))
        assert (labelled.min(axis=0) >= (2, 8, 8)).all()
        assert (labelled.max(axis=0) < np.array(GRID.size) - (2, 8, 8)).all()


def test_a_frame_is_found_again_from_its_masks():
    pose = Pose(ORIGIN_MM + np.array([1.0, -2.0, 1.0]), 1.0, 0.05, 0.02)
    anatomy = mean_anatomy(CHALLENGE_GRID, pose)
    found = frame_of(anatomy.qsm_mask, CHALLENGE_GRID.spacing)
    assert found.origin == pytest.approx(pose.origin, abs=0.7)
    assert found.yaw == pytest.approx(pose.yaw, abs=0.02)
    dice = dice_of_mean_shapes(anatomy.qsm_mask, anatomy.nm_mask, CHALLENGE_GRID.spacing)
    assert min(dice.values()) > 0.65
    assert dice["TH"] > 0.93


@pytest.mark.parametrize("point", [(10.0, 20.0, -5.0), (-30.0, 0.0, 12.0)])
def test_a_pose_goes_there_and_back(point):
    pose = Pose(np.array([100.0, 90.0, 50.0]), 1.03, 0.06, -0.04)
    x, y, z = pose.to_volume(np.array(point))
    assert [float(c) for c in pose.to_frame(x, y, z)] == pytest.approx(point, abs=1e-3)
