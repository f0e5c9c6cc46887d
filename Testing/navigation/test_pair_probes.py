"""How slices lie to one another: each part is told from nothing where it moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_pose_probes import random_poses

from MRNLib.navigation.measuring.experimenttables import probe_sections
from MRNLib.navigation.measuring.pairprobes import (
    GAPS,
    Pairs,
    pair_features,
    pair_targets,
    pairs_of_slices,
    read_pairs,
)
from MRNLib.navigation.measuring.poseprobes import UNITS, Places
from MRNLib.navigation.measuring.probemeasures import EXPLAINED, RELATIVE
from MRNLib.navigation.measuring.probestatistics import ProbeRow, probe_rows
from MRNLib.navigation.trajectories import KINDS, MotionSettings, trajectory
from MRNLib.training.sampling import generator_for

LENGTH, CLIPS, PATIENTS = 8, 240, 12
BOUNDS = torch.tensor([[-40.0] * 3, [40.0] * 3])


def moved(seed: int) -> tuple[Places, list[str]]:
    """Pairs of slices on paths of all kinds: in most of them a part stands still."""
    paths = [
        trajectory(KINDS[n % len(KINDS)], LENGTH, generator_for(seed, n), BOUNDS, MotionSettings())
        for n in range(CLIPS)
    ]
    poses = type(paths[0]).stack(paths)
    chosen = pairs_of_slices(CLIPS, LENGTH, seed)
    names = [f"p{seed}_{clip % PATIENTS}" for clip in chosen[0].tolist()]
    return pair_targets(poses, chosen), names


def pairs(seed: int, features: str) -> Pairs:
    """With features that hold the motion, have nothing to do with it, or are none."""
    places, names = moved(seed)
    random, count = np.random.default_rng(seed + 10), len(names)
    known = np.hstack([part / one for part, one in zip(places.parts(), (5, 0.2, 0.2), strict=True)])
    mix = np.random.default_rng(1).normal(size=(known.shape[1], 24))
    made = {"motion": known @ mix, "noise": random.normal(size=(count, 24))}
    grid = made.get(features, np.zeros((count, 24))).astype(np.float32)
    return Pairs(grid, places, np.array(names))


def cell(name: str, seed: int | None, features: str) -> dict:
    errors, squares = read_pairs(pairs(0, features), pairs(1, features))
    own = {"kind": "probes", "features": "tokenizer", "name": name, "seed": seed, "gap": None}
    fixed = {"data": "phantom", "pretrained_on": "phantom", "clips": {}, "train": [], "test": []}
    fixed["volumes"] = {}
    amounts = {"clips": 1, "nuclei_clips": 1, "linear_steps": 1, "dpt_steps": 1}
    result = {
        "patients": {f"relative_{key}": one for key, one in errors.items()},
        "squares": {f"relative_{key}": one for key, one in squares.items()},
        "nuclei": {"linear": {}, "dpt": {}},
        "pooled": {},
    }
    return {"identity": {**own, **fixed, "settings": amounts}, "result": result}


@pytest.fixture(scope="module")
def cells() -> dict[str, dict]:
    found = {"motion": cell("static", 1, "motion"), "noise": cell("random", 1, "noise")}
    return {**found, "nothing": cell("chance", None, "nothing")}


def again(one: dict, **identity) -> dict:
    """The same cell, as that of another arm or seed."""
    return {**one, "identity": {**one["identity"], **identity}}


def test_pairs_and_their_targets():
    poses = random_poses(5, 6)
    pairs = clip, first, second = pairs_of_slices(5, 6, seed=3)
    assert (second - first).tolist() == list(GAPS) * 5
    assert clip.tolist() == sorted(list(range(5)) * len(GAPS))
    assert second.max() < 6
    targets = pair_targets(poses, pairs)
    back = poses.rotation[clip, first].numpy() @ targets.rotation
    assert np.allclose(back, poses.rotation[clip, second].numpy())
    features = np.arange(5 * 6 * 2, dtype=np.float32).reshape(5, 6, 2)
    assert pair_features(features, pairs).shape == (15, 4)
    assert (
        pair_features(features, pairs)[:, 2] - pair_features(features, pairs)[:, 0]
    ).tolist() == (2.0 * (second - first)).tolist()
    assert len(pairs_of_slices(5, 2, seed=3)[0]) == 5  # only the next slice is near enough


def test_most_pairs_stand_still_in_each_part():
    drawn = pairs(0, "none")
    for unit in UNITS:
        features, part, names = drawn.moving(unit)
        assert len(features) == len(part) == len(names)
        assert 0.35 < len(part) / len(drawn.patients) < 0.65


def test_features_that_hold_the_motion_explain_it(cells):
    row = ProbeRow([cells["motion"]])
    for measure in EXPLAINED:
        figure = row.figure(measure)
        assert figure.value > (0.98 if "ridge" in measure.key else 0.8)
        assert figure.interval[0] <= figure.value <= figure.interval[1] <= 1.0
    # Of steps of some 3 mm and 10 degrees.
    errors = {one.key: row.figure(one).value for one in RELATIVE}
    assert errors["relative_ridge_mm"] < 0.5
    assert errors["relative_ridge_degrees"] < 1.5
    assert errors["relative_ridge_log_scale"] < 0.02


def test_no_features_explain_nothing_and_noise_no_more(cells):
    nothing, noise = (ProbeRow([cells[name]]) for name in ("nothing", "noise"))
    for measure in EXPLAINED:
        close = 1e-6 if "ridge" in measure.key else 0.02
        assert nothing.figure(measure).value == pytest.approx(0.0, abs=close)
        assert -0.2 < noise.figure(measure).value < 0.03
        assert not noise.beats(nothing, measure)
        assert ProbeRow([cells["motion"]]).beats(nothing, measure)
    assert not noise.beats(None, EXPLAINED[0])


def test_the_share_is_that_of_all_patients_together(cells):
    """No mean of patients' own shares: one who hardly moves does not weigh."""
    noise, motion = cells["noise"], cells["motion"]
    sums = [one["result"]["squares"]["relative_ridge_mm_r2"] for one in (noise, motion)]
    left, total = (np.array([*sums[0][name].values()]) for name in ("left", "total"))
    assert sums[1]["total"] == sums[0]["total"]
    figure = ProbeRow([noise]).figure(EXPLAINED[0])
    assert figure.value == pytest.approx(1 - left.sum() / total.sum())
    difference = ProbeRow([motion]).minus(ProbeRow([noise]), EXPLAINED[0])
    other = np.array([*sums[1]["left"].values()])
    assert difference.value == pytest.approx((left - other).sum() / total.sum())
    # All of the variance is all of it, whoever is drawn.
    perfect = dict.fromkeys(sums[0]["left"], 0.0)
    squares = {"relative_ridge_mm_r2": {"left": perfect, "total": sums[0]["total"]}}
    row = ProbeRow([{**noise, "result": {**noise["result"], "squares": squares}}])
    assert row.figure(EXPLAINED[0]).interval == pytest.approx((1.0, 1.0))


def page_of(cells: dict[str, dict]) -> str:
    return "\n".join("\n".join(lines) for lines in probe_sections(probe_rows(cells), "phantom"))


def test_nobody_is_better_or_worse_at_reading_nothing(cells):
    """Noise less no features lies apart from it, on the side that has strayed."""
    stays = {"a": again(cells["nothing"], name="random", seed=1)}
    stays |= {"b": again(cells["nothing"], name="random", seed=2)}
    strays = {f"s{seed}": again(cells["noise"], name="static", seed=seed) for seed in (1, 2)}
    rows = probe_rows({**stays, **strays, "c": cells["nothing"]})
    one, other = rows["tokenizer", "static"], rows["tokenizer", "random"]
    assert any(one.minus(other, measure).apart for measure in EXPLAINED)
    table = page_of({**stays, **strays, "c": cells["nothing"]}).split("### Differences")[1]
    assert "static volumes − random start" in table
    assert "better |" not in table
    assert "worse |" not in table
    reads = {f"s{seed}": again(cells["motion"], name="static", seed=seed) for seed in (1, 2)}
    table = page_of({**stays, **reads, "c": cells["nothing"]}).split("### Differences")[1]
    assert table.count("better |") == len(EXPLAINED) + len(RELATIVE)


def test_a_part_that_never_moves_is_left_out():
    places, names = moved(0)
    still = Places(places.centre, np.eye(3)[None].repeat(len(names), 0), places.log_scale)
    grid = np.zeros((len(names), 2), np.float32)
    train = Pairs(grid, still, np.array(names))
    errors, squares = read_pairs(train, pairs_like(train, "other"))
    assert {*errors} == {"ridge_mm", "network_mm", "ridge_log_scale", "network_log_scale"}
    assert {*squares} == {f"{key}_r2" for key in errors}
    alone = Pairs(grid, still, np.array(["p"] * len(names)))
    assert read_pairs(alone, train) == ({}, {})


def pairs_like(one: Pairs, name: str) -> Pairs:
    """The same pairs of other patients."""
    return Pairs(one.features, one.places, np.array([f"{name}_{n}" for n in one.patients]))
