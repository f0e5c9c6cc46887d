"""ROI masking and box jitter."""

from __future__ import annotations

import pytest

from MRNLib import robustness
from MRNLib.anatomy import MASKINGS, ROI_NAMES


def additive(weights):
    """A stand-in model: each unmasked ROI adds its weight to .5."""
    return lambda masked: 0.5 + sum(w for name, w in weights.items() if name not in masked)


def test_all_sixteen_subsets_once_in_the_papers_order():
    assert len(MASKINGS) == 16
    assert len({frozenset(masked) for masked in MASKINGS}) == 16
    assert MASKINGS[0] == ()
    assert MASKINGS[8] == ("QSM1", "QSM2")
    assert MASKINGS[-1] == ROI_NAMES


def test_maskings_report_probability_change_and_flip():
    weights = {"NM": 0.2, "QSM1": 0.0, "QSM2": 0.1, "QSM3": -0.05}
    rows = {row.masked: row for row in robustness.maskings(additive(weights))}
    assert rows[()].probability_pd == pytest.approx(0.75)
    assert rows[()].change == 0
    assert rows[("NM",)].change == pytest.approx(-0.2)
    assert not rows[("NM",)].flips
    assert rows[("NM", "QSM2")].probability_pd == pytest.approx(0.45)
    assert rows[("NM", "QSM2")].flips


def test_jitter_counts_flips_against_the_unmoved_boxes():
    (one, two) = robustness.jitter(0.55, {1: [0.5, 0.6], 2: [0.4, 0.9]})
    assert (one.voxels, one.flips, one.minimum, one.maximum) == (1, 0, 0.5, 0.6)
    assert (two.voxels, two.flips, two.mean) == (2, 1, pytest.approx(0.65))


def test_summary_names_the_roi_that_matters_most():
    rows = robustness.maskings(additive({"NM": 0.3, "QSM1": 0, "QSM2": -0.2, "QSM3": 0}))
    moves = robustness.jitter(0.6, {1: [0.62, 0.58], 2: [0.65, 0.49]})
    text = robustness.summary(rows, moves)
    assert text == (
        "Masking one ROI moves the probability by at most 0.30 (NM) and flips the answer for NM; "
        "moving the boxes by up to 2 voxels moves it by at most 0.11 and flips it 1 of 4 times."
    )


def test_summary_of_a_result_that_nothing_flips():
    rows = robustness.maskings(additive(dict.fromkeys(ROI_NAMES, 0.01)))
    assert "never flips the answer." in robustness.summary(rows, ())


def test_summary_says_what_was_left_out():
    rows = robustness.maskings(additive({"NM": 0.0, "QSM1": 0.1, "QSM2": 0.1, "QSM3": 0.1}))
    text = robustness.summary(rows, (), left_out=("NM",))
    assert text.endswith("with NM left out from the start.")
    assert "(NM)" not in text
