"""Biomarkers against closed-form blocks and naive loops."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from MRNLib import biomarkers, neuromelanin
from MRNLib.anatomy import NORM_VOLUME_MM3, NUCLEI, QSM_NUCLEI, SIDES, nucleus
from MRNLib.biomarkers import Biomarker, measure, quality_warnings
from MRNLib.neuromelanin import mode, nm_reference, reference_region
from MRNLib.norms import HEALTHY_SUSCEPTIBILITY_PPB, SIDE_DIFFERENCE_SPREAD_PPB, SPREAD_PPB

SPACING = (0.8, 0.9, 2.0)
CUBIC_MM = 0.8 * 0.9 * 2.0


@pytest.fixture(scope="module")
def blocks() -> dict[str, np.ndarray]:
    """Every nucleus a block of 3 x 5 x 6 voxels; right at low i. SN and NM-SN overlap partly."""
    rng = np.random.default_rng(3)
    shape = (14, 70, 60)
    qsm = rng.normal(20, 30, shape).astype(np.float32)
    nm = rng.normal(1000, 30, shape).astype(np.float32)
    qsm_mask = np.zeros(shape, np.uint8)
    nm_mask = np.zeros(shape, np.uint8)
    for number, item in enumerate(QSM_NUCLEI):
        row = 4 + 7 * number
        qsm_mask[4:7, row : row + 5, 18:24] = item.right
        qsm_mask[4:7, row : row + 5, 36:42] = item.left
    row = 4 + 7 * [item.key for item in QSM_NUCLEI].index("SN")
    nm_mask[5:8, row + 1 : row + 6, 19:25] = 1
    nm_mask[5:8, row + 1 : row + 6, 35:41] = 2
    nm[nm_mask != 0] += 80
    return {"qsm": qsm, "nm": nm, "qsm_mask": qsm_mask, "nm_mask": nm_mask}


def table(found: tuple[Biomarker, ...]) -> dict[tuple[str, str, str], Biomarker]:
    result = {(item.nucleus, item.side, item.name): item for item in found}
    assert len(result) == len(found)
    return result


def run(volumes: dict[str, np.ndarray]) -> dict[tuple[str, str, str], Biomarker]:
    return table(measure(**volumes, spacing=SPACING))


def test_volumes_of_blocks_are_exact(blocks: dict[str, np.ndarray]) -> None:
    found = run(blocks)
    for item in NUCLEI:
        for side in SIDES:
            biomarker = found[item.key, side, "volume"]
            assert biomarker.value == pytest.approx(3 * 5 * 6 * CUBIC_MM)
            assert biomarker.published == NORM_VOLUME_MM3[item.key][side]
    # The blocks are shifted by one voxel along each axis.
    assert found["SNpc", "R", "volume"].value == pytest.approx(2 * 4 * 5 * CUBIC_MM)


def test_susceptibility_equals_a_naive_loop(blocks: dict[str, np.ndarray]) -> None:
    found = run(blocks)
    qsm, mask = blocks["qsm"], blocks["qsm_mask"]
    for item in QSM_NUCLEI:
        for side in SIDES:
            values = sorted(
                float(qsm[index])
                for index in np.ndindex(mask.shape)
                if mask[index] == item.label(side)
            )
            healthy = HEALTHY_SUSCEPTIBILITY_PPB[item.key][side]
            mean = math.fsum(values) / len(values)
            rank = 0.9 * (len(values) - 1)
            low = math.floor(rank)
            p90 = values[low] + (rank - low) * (values[low + 1] - values[low])
            expected = {
                "susceptibility_mean": mean,
                "susceptibility_median": (values[44] + values[45]) / 2,
                "susceptibility_p90": p90,
                "voxels_above_threshold": sum(value > healthy + 50 for value in values),
            }
            for name, value in expected.items():
                assert found[item.key, side, name].value == pytest.approx(value, rel=1e-5)


def test_z_is_the_distance_from_the_named_source(blocks: dict[str, np.ndarray]) -> None:
    found = run(blocks)
    for item in QSM_NUCLEI:
        right, left = (found[item.key, side, "susceptibility_mean"] for side in SIDES)
        asymmetry = found[item.key, "both", "susceptibility_asymmetry"]
        assert right.value is not None
        assert left.value is not None
        if item.key not in SPREAD_PPB:
            assert right.z is None
            assert asymmetry.z is None
            continue
        usual = HEALTHY_SUSCEPTIBILITY_PPB[item.key]
        assert right.z == pytest.approx((right.value - usual["R"]) / SPREAD_PPB[item.key])
        assert right.norm is not None
        assert "Ruijin" in right.norm
        assert "Thomas 2024" in right.norm
        assert "another cohort" in right.norm
        difference = (left.value - right.value) - (usual["L"] - usual["R"])
        assert asymmetry.z == pytest.approx(difference / SIDE_DIFFERENCE_SPREAD_PPB[item.key])


def test_asymmetry_is_set_against_the_nucleus_own_norm(blocks: dict[str, np.ndarray]) -> None:
    found = run(blocks)
    # Equal blocks: the index is 0, while outlines of the caudate are habitually larger right.
    caudate = found["CN", "both", "volume_asymmetry"]
    assert caudate.value == 0
    assert caudate.published == pytest.approx((2840 - 3360) / (2840 + 3360))
    assert found["GP", "both", "volume_asymmetry"].published == pytest.approx(250 / 3950)
    volumes = dict(blocks)
    volumes["qsm_mask"] = blocks["qsm_mask"].copy()
    inside = np.argwhere(volumes["qsm_mask"] == nucleus("RN").left)[:60]
    volumes["qsm_mask"][tuple(inside.T)] = 0
    red = run(volumes)["RN", "both", "volume_asymmetry"]
    assert red.value == pytest.approx((30 - 90) / (30 + 90))
    assert red.flags


def test_nm_contrast_and_hyperintense_volume(blocks: dict[str, np.ndarray]) -> None:
    found = run(blocks)
    nm, nm_mask = blocks["nm"].astype(float), blocks["nm_mask"]
    reference = nm_reference(nm, nm_mask, SPACING)
    assert reference is not None
    assert reference.mode == pytest.approx(1000, abs=6)
    assert reference.spread == pytest.approx(30, rel=0.08)
    for side, label in (("R", 1), ("L", 2)):
        values = nm[nm_mask == label]
        assert found["NM-SN", side, "nm_contrast"].value == pytest.approx(
            values.mean() / reference.mode, rel=1e-6
        )
        above = (values > reference.mode + reference.spread).sum() * CUBIC_MM
        assert found["NM-SN", side, "hyperintense_volume"].value == pytest.approx(above)
    assert "3-10 mm around NM-SN" in (found["NM-SN", "R", "nm_contrast"].reference or "")


def test_snpc_is_measured_in_the_overlap_only(blocks: dict[str, np.ndarray]) -> None:
    found = run(blocks)
    both = (blocks["nm_mask"] == 2) & (blocks["qsm_mask"] == nucleus("SN").left)
    assert found["SNpc", "L", "susceptibility_mean"].value == pytest.approx(
        float(blocks["qsm"][both].mean()), rel=1e-5
    )
    ratio = found["SNpc", "L", "nm_contrast"].value
    whole = found["NM-SN", "L", "nm_contrast"].value
    assert ratio is not None
    assert whole is not None
    assert ratio / whole == pytest.approx(
        blocks["nm"][both].mean() / blocks["nm"][blocks["nm_mask"] == 2].mean(), rel=1e-5
    )


def test_reference_region_equals_brute_force_distances() -> None:
    mask = np.zeros((9, 30, 32), np.uint8)
    mask[4, 14:16, 15:17] = 1
    tissue = np.ones(mask.shape, bool)
    tissue[:, :, :10] = False
    scale = np.array(SPACING[::-1])
    inside = np.argwhere(mask) * scale
    expected = np.zeros(mask.shape, bool)
    for index in np.ndindex(mask.shape):
        nearest = np.sqrt(((inside - np.array(index) * scale) ** 2).sum(1)).min()
        expected[index] = 3 - 1e-6 <= nearest <= 10 + 1e-6 and tissue[index]
    assert np.array_equal(reference_region(mask, SPACING, tissue), expected)


def test_mode_ignores_a_minority_and_follows_scale() -> None:
    rng = np.random.default_rng(0)
    tissue = rng.normal(500, 20, 6000)
    sample = np.concatenate((tissue, rng.normal(250, 60, 1500), rng.normal(900, 80, 600)))
    found = mode(sample)
    assert found == pytest.approx(500, abs=5)
    assert abs(sample.mean() - 500) > 15
    assert mode(3 * sample + 7) == pytest.approx(3 * found + 7, rel=1e-6)
    assert mode(np.full(100, 4.0)) == 4.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipping_the_arrays_changes_nothing(blocks: dict[str, np.ndarray], axis: int) -> None:
    plain = run(blocks)
    flipped = run({name: np.flip(array, axis) for name, array in blocks.items()})
    assert plain.keys() == flipped.keys()
    for key, biomarker in plain.items():
        assert flipped[key].value == pytest.approx(biomarker.value, rel=1e-5)


def test_swapping_labels_swaps_sides(blocks: dict[str, np.ndarray]) -> None:
    plain = run(blocks)
    swapped = dict(blocks)
    for name in ("qsm_mask", "nm_mask"):
        labels = blocks[name].astype(int)
        swapped[name] = np.where(labels == 0, 0, np.where(labels % 2 == 1, labels + 1, labels - 1))
    found = run(swapped)
    for (key, side, name), biomarker in plain.items():
        other = {"R": "L", "L": "R", "both": "both"}[side]
        if name == "voxels_above_threshold" or biomarker.value is None:
            continue  # the threshold has a side of its own
        sign = -1 if side == "both" else 1
        assert found[key, other, name].value == pytest.approx(sign * biomarker.value, rel=1e-5)


def test_an_empty_nucleus_is_none_and_flagged(blocks: dict[str, np.ndarray]) -> None:
    volumes = dict(blocks)
    volumes["qsm_mask"] = np.where(blocks["qsm_mask"] == nucleus("SN").right, 0, blocks["qsm_mask"])
    found = run(volumes)
    for (key, side, _), biomarker in found.items():
        if key in ("SN", "SNpc") and side in ("R", "both"):
            assert biomarker.value is None
            assert biomarker.z is None
    assert found["SN", "R", "volume"].flags == ("SN right: not in the mask",)
    assert found["SNpc", "R", "volume"].flags
    assert found["SN", "L", "susceptibility_mean"].value is not None


def test_nothing_at_all_is_none_and_valid_json(blocks: dict[str, np.ndarray]) -> None:
    empty = {name: np.zeros_like(array) for name, array in blocks.items()}
    found = measure(**empty, spacing=SPACING)
    assert all(item.value is None and item.z is None for item in found)
    json.dumps([dataclasses.asdict(item) for item in found], allow_nan=False)


def test_not_a_number_in_the_image_stays_out(blocks: dict[str, np.ndarray]) -> None:
    volumes = {name: array.copy() for name, array in blocks.items()}
    volumes["qsm"][volumes["qsm_mask"] == 1] = np.nan
    volumes["nm"][::3] = np.nan
    found = measure(**volumes, spacing=SPACING)
    json.dumps([dataclasses.asdict(item) for item in found], allow_nan=False)
    assert table(found)["CN", "R", "susceptibility_mean"].value is None


def test_volumes_are_flagged_below_thirty_per_cent(blocks: dict[str, np.ndarray]) -> None:
    found = measure(**blocks, spacing=SPACING)
    by_key = table(found)
    share = 3 * 5 * 6 * CUBIC_MM / NORM_VOLUME_MM3["CN"]["R"]
    assert share < 0.3
    assert "% of the usual 3360" in by_key["CN", "R", "volume"].flags[0]
    assert by_key["RN", "R", "volume"].flags == ()
    assert "CN right" in quality_warnings(found)[0]
    assert len(set(quality_warnings(found))) == len(quality_warnings(found))


def test_voxels_outside_the_brain_mask_are_flagged(blocks: dict[str, np.ndarray]) -> None:
    volumes = dict(blocks)
    inside = np.argwhere(blocks["qsm_mask"] == nucleus("DN").left)[:20]
    volumes["qsm"] = blocks["qsm"].copy()
    volumes["qsm"][tuple(inside.T)] = 0
    flags = run(volumes)["DN", "L", "volume"].flags
    assert any("22 % of its voxels lie outside" in flag for flag in flags)


def test_arrays_on_two_grids_are_refused(blocks: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="one grid"):
        measure(**{**blocks, "nm": blocks["nm"][1:]}, spacing=SPACING)


def test_rules_are_named() -> None:
    assert "1 robust SD" in neuromelanin.HYPERINTENSE_RULE
    assert "left - right" in biomarkers.ASYMMETRY_RULE
