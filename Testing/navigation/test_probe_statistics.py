"""Means over seeds, intervals over patients, and when a difference is called one."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.errors import InputError
from MRNLib.metrics import area_under_curve
from MRNLib.navigation.measuring.experimenttables import figure_text
from MRNLib.navigation.measuring.labelstatistics import label_results
from MRNLib.navigation.measuring.probemeasures import OUTLINES, Measure
from MRNLib.navigation.measuring.probestatistics import Figure, ProbeRow, probe_rows

DICE = next(one for one in OUTLINES if one.key == "dpt_dice")
NAMES = [f"p{number}" for number in range(20)]


def cell(name: str, seed: int, values, **identity):
    patients = {"dpt_dice": dict(zip(NAMES, map(float, values), strict=True))}
    fixed = {
        "data": "phantom",
        "pretrained_on": "phantom",
        "clips": {},
        "settings": {},
        "train": [],
        "test": NAMES,
        "volumes": {},
    }
    own = {"kind": "probes", "features": "tokenizer", "name": name, "seed": seed, "gap": None}
    return {
        "identity": {**fixed, **own, **identity},
        "result": {"patients": patients, "pooled": {}},
    }


def test_a_row_is_the_mean_over_seeds_and_patients():
    values = np.random.default_rng(0).random((3, 20))
    row = ProbeRow([cell("static", seed, one) for seed, one in enumerate(values)])
    figure = row.figure(DICE)
    assert figure.value == pytest.approx(values.mean())
    assert figure.seeds == pytest.approx(values.mean(1))
    assert figure.interval[0] < values.mean() < figure.interval[1]


def test_a_difference_is_on_the_same_patients():
    base = np.random.default_rng(0).random((2, 20))
    one = ProbeRow([cell("static", seed, values + 0.1) for seed, values in enumerate(base)])
    other = ProbeRow([cell("random", seed, values) for seed, values in enumerate(base)])
    difference = one.minus(other, DICE)
    assert difference.interval == pytest.approx((0.1, 0.1))  # however much the patients differ
    assert difference.apart
    assert not other.minus(other, DICE).apart


def test_seeds_of_equal_number_are_paired():
    random, other = (np.random.default_rng(seed).random((3, 20)) for seed in (0, 1))
    mine = ProbeRow([cell("static", seed, random[seed]) for seed in (0, 2)])
    theirs = ProbeRow([cell("random", seed, other[seed]) for seed in (1, 2)])
    difference = mine.minus(theirs, DICE)
    assert difference.seeds == pytest.approx([(random[2] - other[2]).mean()])
    # Chance knows no seed: the means are compared.
    chance = ProbeRow([cell("chance", None, other[0])])
    assert mine.minus(chance, DICE).value == pytest.approx(
        (random[[0, 2]].mean(0) - other[0]).mean()
    )
    assert mine.minus(theirs, Measure("plane_accuracy", "accuracy", 3)) is None


@pytest.mark.parametrize(
    ("figure", "apart"),
    [
        (Figure(0.2, (0.1, 0.3), (0.1, 0.3)), True),
        (Figure(-0.2, (-0.3, -0.1), (-0.1, -0.3)), True),
        (Figure(0.2, (0.1, 0.3), (-0.1, 0.5)), False),
        (Figure(0.2, (-0.1, 0.3), (0.1, 0.3)), False),
        (Figure(0.2, (0.1, 0.3), (0.2,)), False),  # no other seed to agree with
        (Figure(0.2, None, (0.2,)), False),
    ],
)
def test_seeds_have_to_agree(figure, apart):
    assert figure.apart == apart


def test_figures_as_text():
    assert figure_text(Figure(1.234, (1.1, 1.3), (1.2, 1.3)), 1) == "1.2 [1.1, 1.3] (1.2 to 1.3)"
    assert figure_text(Figure(0.5, None, (0.5,)), 2, "+") == "+0.50"


def test_cells_of_other_patients_are_not_put_together():
    cells = {"a": cell("static", 1, np.ones(20)), "b": cell("static", 2, np.ones(20), test=["x"])}
    with pytest.raises(InputError, match="different test"):
        probe_rows(cells)


def label_cell(encoder: str, seed: int, labels, margins):
    identity = {"kind": "labels", "encoder": encoder, "size": 25, "seed": seed}
    shared = {"data": "phantom", "settings": {}, "training": {}, "crops": []}
    result = {"identifiers": [*map(str, range(len(labels)))], "labels": [*labels]}
    return {"identity": {**identity, **shared}, "result": {**result, "margins": [*margins]}}


def test_areas_of_several_seeds_and_their_difference():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 80)
    noise = random.normal(0, 1, (2, 80))
    found = {}
    for seed in (1, 2):
        found[f"r{seed}"] = label_cell("random", seed, labels, noise[seed - 1])
        better = noise[seed - 1] + 2 * labels
        found[f"s{seed}"] = label_cell("static", seed, labels, better)
    results = label_results(found)
    areas = [area_under_curve(labels, one) for one in noise]
    figure = results.rows["random", 25].figure
    assert figure.seeds == pytest.approx(areas)
    assert figure.value == pytest.approx(np.mean(areas))
    difference = results.minus("static", "random", 25)
    assert difference.apart
    better = results.rows["static", 25].figure.seeds
    assert difference.seeds[0] == pytest.approx(better[0] - areas[0])
    assert results.minus("tokenizer", "random", 25) is None
    assert results.encoders == ["random", "static"]
    assert label_results({}) is None
    # Seeds that the other has too are compared, and no others.
    del found["s1"]
    one = label_results(found).minus("static", "random", 25)
    assert one.seeds == pytest.approx([better[1] - areas[1]])
    assert one.value == pytest.approx(one.seeds[0])
    found["s3"] = label_cell("static", 3, labels, noise[0])
    del found["s2"]
    assert label_results(found).minus("static", "random", 25) is None
