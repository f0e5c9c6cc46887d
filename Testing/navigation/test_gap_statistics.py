"""Gaps of several pre-trainings together."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.navigation.measuring.gapstatistics import Gap, gaps, pooled, pooled_gaps


def record(values, kind="scroll", clips=1):
    """Held-out errors of some patients whose gaps are known, the shuffled error 1."""
    return {
        "by_patient": {
            f"p{number}": {kind: {"clips": clips, "aligned": 1 + gap, "shuffled": 1.0}}
            for number, gap in enumerate(values)
        }
    }


def test_the_mean_of_means_and_its_interval():
    """Of two seeds the variance is a quarter of the sum of both means' variances."""
    random = np.random.default_rng(0)
    seeds = [random.normal(-0.3, 1.0, 400), random.normal(-0.1, 2.0, 100)]
    figure = pooled(seeds)
    assert figure.value == pytest.approx((seeds[0].mean() + seeds[1].mean()) / 2)
    assert figure.seeds == pytest.approx([one.mean() for one in seeds])
    half = 1.96 * np.sqrt(sum(one.var() / len(one) for one in seeds)) / 2
    wanted = (figure.value - half, figure.value + half)
    assert figure.interval == pytest.approx(wanted, abs=0.02)
    assert pooled([seeds[0], seeds[1][:1]]).interval is None


def test_gaps_by_kind_weigh_clips_and_leave_out_who_has_none():
    one, other = record([-0.2, -0.4], "scroll", 3), record([-0.1, -0.1], "tilt")
    kinds = other["by_patient"].pop("p1")
    both = {"by_patient": {**one["by_patient"], "p1": {**one["by_patient"]["p1"], **kinds}}}
    found = pooled_gaps([Gap("aligned", 1, both), Gap("aligned", 2, one)])
    # p1 of seed 1: three clips of -0.4 and one of -0.1.
    assert found["aligned", "all"].seeds == pytest.approx([(-0.2 - 0.325) / 2, -0.3])
    assert found["aligned", "scroll"].value == pytest.approx(-0.3)
    assert list(found) == [("aligned", "all"), ("aligned", "scroll")]  # seed 2 has no tilt
    assert Gap("aligned", 1, both).by_patient("tilt") == pytest.approx([-0.1])


def test_gaps_of_cells_in_order():
    cells = {
        f"{name}_{seed}": {"identity": {"kind": "probes", "name": name, "seed": seed, "gap": gap}}
        for name, seed, gap in (
            ("zeroed", 1, record([0.0])),
            ("aligned", 2, record([-0.1])),
            ("aligned", 1, record([-0.2])),
            ("static", 1, None),
        )
    }
    assert [(one.arm, one.seed) for one in gaps(cells)] == [
        ("aligned", 1),
        ("aligned", 2),
        ("zeroed", 1),
    ]
