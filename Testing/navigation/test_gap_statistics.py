"""Gaps of several pre-trainings together."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.navigation.measuring.experimenttables import gap_section
from MRNLib.navigation.measuring.gapstatistics import (
    BETWEEN,
    WITHIN,
    Gap,
    contrasts,
    gaps,
    pooled,
)


def record(values, kind="scroll", clips=1, copied=2.0):
    """Held-out errors of some patients whose gaps are known, the shuffled error 1."""
    fixed = {"clips": clips, "shuffled": 1.0, "zeroed": 1.5, "copied": copied}
    return {
        "patients": len(values),
        "errors": {"aligned": 1 + float(np.mean(values)), **fixed},
        "by_patient": {
            f"p{number}": {kind: {"aligned": 1 + gap, **fixed}} for number, gap in enumerate(values)
        },
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
    found = contrasts([Gap("aligned", 1, both), Gap("aligned", 2, one)], WITHIN)
    assert [(one.one[0], one.kind) for one in found] == [
        ("aligned", "all"),
        ("aligned", "scroll"),  # seed 2 has no tilt
    ]
    # p1 of seed 1: three clips of -0.4 and one of -0.1.
    assert found[0].figure.seeds == pytest.approx([(-0.2 - 0.325) / 2, -0.3])
    assert found[1].figure.value == pytest.approx(-0.3)
    assert found[0].seeds == (1, 2)
    assert Gap("aligned", 1, both).errors("aligned", "tilt") == pytest.approx([0.9])


def arms(seed, gain=0.1, harm=0.2, **other):
    """An aligned arm that wins by true actions and loses by false ones; two that use none.

    Args:
        seed: Theirs.
        gain: What the aligned arm wins on the arms that learned without true actions.
        harm: What false actions cost it.
        other: Of the zeroed arm's record alone.
    """
    base = np.random.default_rng(seed).uniform(1.0, 3.0, 12)  # patients differ much

    def known(aligned, shuffled, zeroed, copied=4.0):
        return {
            "patients": len(base),
            "errors": dict.fromkeys(("aligned", "shuffled", "zeroed", "copied"), 1.0),
            "by_patient": {
                f"p{number}": {
                    "zoom": {
                        "clips": 2,
                        "aligned": one + aligned,
                        "shuffled": one + shuffled,
                        "zeroed": one + zeroed,
                        "copied": copied,
                    }
                }
                for number, one in enumerate(base)
            },
        }

    return [
        Gap("aligned", seed, known(-gain, harm, harm)),
        Gap("zeroed", seed, known(0.5, 0.5, 0.0, **other)),
        Gap("shuffled", seed, known(0.0, 0.0, 0.5)),
    ]


def test_what_true_actions_are_worth_is_not_the_gap_within_a_model():
    found = [*arms(1), *arms(2)]
    within, between = contrasts(found, WITHIN), contrasts(found, BETWEEN)
    values = {(one.one, one.other): one.figure for one in (*within, *between) if one.kind == "all"}
    aligned = ("aligned", "aligned")
    assert values[aligned, ("aligned", "shuffled")].value == pytest.approx(-0.3)
    for other in ("zeroed", "shuffled"):
        figure = values[aligned, (other, other)]  # told what it was trained on
        assert figure.seeds == pytest.approx([-0.1, -0.1])
        assert figure.interval == pytest.approx((-0.1, -0.1))  # paired by patient
    assert values[aligned, ("aligned", "copied")].value < -1.5
    assert {one.kind for one in between} == {"all", "zoom"}


def test_arms_of_other_clips_are_not_paired():
    """Another seed's patients, other clips, another encoder: told by the same slice again."""
    one, zeroed, shuffled = arms(1)
    assert contrasts([one, Gap("zeroed", 2, zeroed.record)], BETWEEN[:1]) == []
    found = contrasts([one, shuffled, *arms(2), *arms(3, copied=4.1)], BETWEEN)
    assert {each.other: each.seeds for each in found} == {
        ("zeroed", "zeroed"): (2,),
        ("shuffled", "shuffled"): (1, 2, 3),
        ("aligned", "copied"): (1, 2, 3),
    }
    assert one.compares_with(arms(1, copied=4.0 + 1e-6)[1])
    others = {name: kinds for name, kinds in zeroed.record["by_patient"].items() if name != "p3"}
    assert not one.compares_with(Gap("zeroed", 1, {"by_patient": others}))


def test_the_page_tells_both():
    lines = "\n".join(gap_section([*arms(1), *arms(2)], "phantom"))
    assert "| aligned | zoom | 1, 2 | -0.3000" in lines
    assert "| aligned arm − zeroed arm | all | 1, 2 | -0.1000" in lines
    assert "| aligned arm − shuffled arm | zoom | 1, 2 | -0.1000" in lines
    assert "| aligned arm − same slice again | all |" in lines
    assert lines.index("Does a model use") < lines.index("What are true actions worth")
    assert "What are true actions worth" not in "\n".join(gap_section(arms(1)[1:], "phantom"))


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
