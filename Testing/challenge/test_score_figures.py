"""Region scores, composites, the organisers' tables, and what the published ranking says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from score_cases import NAMES, write_cases

from MRNLib.challenge.cases import CaseResult, Classified
from MRNLib.challenge.classification import classification_score
from MRNLib.challenge.leaderboard import CLASSIFICATION, SEGMENTATION, place
from MRNLib.challenge.measures import Agreement
from MRNLib.challenge.regions import REGIONS, STRUCTURES, region_score
from MRNLib.challenge.scoring import score
from MRNLib.challenge.segmentation import SegmentationScore, highest
from MRNLib.challenge.tables import organisers_rows
from MRNLib.delong import auc_interval
from MRNLib.metrics import proportion

# What metric.py of github.com/Ruijin-IMIT/PDCADxFoundation (MIT licence) wrote of the masks in
# score_cases.py: MedPy 0.5.2, NumPy 2.4.6, SciPy 1.17.1.
ORGANISERS = {
    "NM": """\
Sample,SN_l_Dice,SN_l_Hausdorff,SN_r_Dice,SN_r_Hausdorff
RJPD_001_NM,0.6667,1.4142,0.8333,1.0000
RJPD_002_NM,0.4444,1.7321,0.8000,1.0000
RJPD_003_NM,nan,inf,0.5333,1.4142
Average,0.5555,1.5732,0.7222,1.1381
""",
    "QSM": """\
Sample,CN_l_Dice,CN_l_Hausdorff,CN_r_Dice,CN_r_Hausdorff,DN_l_Dice,DN_l_Hausdorff,DN_r_Dice,\
DN_r_Hausdorff,GP_l_Dice,GP_l_Hausdorff,GP_r_Dice,GP_r_Hausdorff,Put_l_Dice,Put_l_Hausdorff,\
Put_r_Dice,Put_r_Hausdorff,RN_l_Dice,RN_l_Hausdorff,RN_r_Dice,RN_r_Hausdorff,SN_l_Dice,\
SN_l_Hausdorff,SN_r_Dice,SN_r_Hausdorff,STN_l_Dice,STN_l_Hausdorff,STN_r_Dice,STN_r_Hausdorff
RJPD_001_QSM,0.6667,1.4142,0.8333,1.0000,0.6250,1.4142,0.2857,3.0000,0.4444,1.7321,0.5714,2.2361,\
0.5000,2.2361,0.3810,2.4495,0.4762,2.4495,0.8333,1.0000,0.5000,1.4142,0.4898,2.4495,0.5556,2.2361,\
0.4000,2.2361
RJPD_002_QSM,0.4444,1.7321,0.8000,1.0000,0.6000,1.4142,0.5952,2.2361,0.8333,1.0000,0.5333,1.4142,\
0.4286,2.4495,0.4762,2.8284,0.3315,29.6985,0.5714,2.2361,0.6250,1.4142,0.4762,2.2361,0.5714,1.7321,\
0.0000,inf
RJPD_003_QSM,0.5556,2.2361,0.5333,1.4142,0.4000,1.7321,0.5714,2.2361,0.5714,1.7321,1.0000,0.0000,\
0.4000,1.7321,0.4082,3.0000,0.6944,1.4142,0.4000,2.2361,0.4286,2.4495,0.5952,2.2361,0.5556,1.4142,\
0.6857,1.4142
Average,0.5556,1.7941,0.7222,1.1381,0.5417,1.5202,0.4841,2.4907,0.6164,1.4881,0.7016,1.2168,\
0.4429,2.1392,0.4218,2.7593,0.5007,11.1874,0.6016,1.8241,0.5179,1.7593,0.5204,2.3072,0.5609,1.7941,\
0.3619,1.8251
""",
}
BOTH = {"QSM": 1, "NM": 1}
QSM_WEIGHTS = {"CN": 1, "Put": 1, "GP": 1, "STN": 1.2, "SN": 1.5, "RN": 1.1, "DN": 1}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return score(*write_cases(tmp_path_factory.mktemp("cases")))


def uniform(dice, hausdorff, modalities=("QSM", "NM")):
    """A case in which every structure has the same values."""
    same = Agreement(dice, hausdorff, hausdorff, hausdorff)
    measured = {name: (same,) * len(STRUCTURES[name]) for name in modalities}
    return CaseResult("case", measured, (), None, ())


@pytest.mark.parametrize("modality", ["NM", "QSM"])
def test_our_tables_are_the_organisers(scored, modality):
    rows = organisers_rows(scored.results, modality)
    assert "".join(",".join(row) + "\n" for row in rows) == ORGANISERS[modality]


def test_the_composite_is_that_of_the_organisers_averages(scored):
    averages = {}
    for modality, text in ORGANISERS.items():
        header, *_, last = (line.split(",") for line in text.splitlines())
        averages[modality] = dict(zip(header[1:], map(float, last[1:]), strict=True))

    def side(modality, column):
        found = averages[modality]
        return 0.7 * found[f"{column}_Dice"] + 0.3 * (1 - found[f"{column}_Hausdorff"] / 10)

    qsm = sum(
        weight * side("QSM", f"{column}_{letter}")
        for column, weight in QSM_WEIGHTS.items()
        for letter in "lr"
    )
    nm = 2 * (side("NM", "SN_l") + side("NM", "SN_r"))
    both = 0.6 * qsm + 0.4 * nm
    assert scored.segmentation.as_summed == pytest.approx(both, abs=5e-4)
    assert scored.segmentation.as_printed == pytest.approx(both / 2, abs=5e-4)


def test_a_perfect_segmentation():
    perfect = SegmentationScore.of([uniform(1, 0)], BOTH)
    assert perfect.as_printed == pytest.approx(highest(both_sides=False)) == pytest.approx(5.48)
    assert perfect.as_summed == pytest.approx(highest(both_sides=True)) == pytest.approx(10.96)


def test_a_region_is_not_clipped():
    assert region_score(0.9, 2) == pytest.approx(0.87)
    assert region_score(0.5, 40) == pytest.approx(-0.55)


def test_infinite_distances_are_left_out_and_counted():
    found = SegmentationScore.of([uniform(0.8, 2.0), uniform(0.0, math.inf)], BOTH)
    one = found.means["NM"][0]
    assert (one.cases, one.infinite) == (2, 1)
    assert (one.dice, one.hausdorff) == (0.4, 2.0)
    nowhere = SegmentationScore.of([uniform(0.0, math.inf)], BOTH)
    assert math.isnan(nowhere.as_printed)


def test_one_modality_alone_has_no_composite():
    qsm = SegmentationScore.of([uniform(1, 0, ("QSM",))], {"QSM": 1})
    assert qsm.modality_score("QSM") == pytest.approx(7.8)
    assert math.isnan(qsm.as_summed)
    assert qsm.over_asked is None
    assert SegmentationScore.of([uniform(1, 0, ())], BOTH) is None


def test_over_all_cases_an_absent_mask_is_an_empty_one():
    """The organisers' averages leave the case out; beside them stands what it costs."""
    qsm_alone = uniform(0.8, 2.0, ("QSM",))
    found = SegmentationScore.of([*[uniform(0.8, 2.0)] * 3, qsm_alone], {"QSM": 4, "NM": 4})
    assert found.missing == {"NM": 1}
    assert found.means["NM"][0].cases == 3
    assert found.modality_score("NM") == pytest.approx(2 * region_score(0.8, 2.0))
    empty = uniform(0.0, math.inf)
    as_empty = SegmentationScore.of(
        [
            *[uniform(0.8, 2.0)] * 3,
            CaseResult("case", qsm_alone.measured | {"NM": empty.measured["NM"]}, (), None, ()),
        ],
        {"QSM": 4, "NM": 4},
    )
    assert found.over_asked.as_printed == pytest.approx(as_empty.as_printed)
    assert found.over_asked.means["NM"][0].cases == 4
    assert found.over_asked.modality_score("QSM") == found.modality_score("QSM")
    assert as_empty.over_asked is None


def test_the_thalamus_is_not_scored():
    assert {region.nucleus.key for region in REGIONS["QSM"]} == {
        *("CN", "PUT", "GP", "STN", "SN", "RN", "DN")
    }
    assert not {7, 8} & {structure.label for structure in STRUCTURES["QSM"]}


def test_the_published_totals_fit_a_sum_of_both_sides():
    """From a total and the published Dice follows a mean Hausdorff distance, in voxels.

    Summed over both sides it is 2.3 for the winner and grows down the ranking, in the range of the
    organisers' own example (1.6 to 7.7); with one score a region no distance gives the totals.
    """
    implied = []
    for row in SEGMENTATION:
        weighted = 0.6 * np.dot(list(QSM_WEIGHTS.values()), row.qsm_dice) + 0.4 * 2 * row.nm_dice
        best = 2 * (0.7 * weighted + 0.3 * 5.48)  # at distance 0
        implied.append(10 * (best - row.total) / (2 * 0.3 * 5.48))
        assert row.total > best / 2
    assert min(implied) == pytest.approx(2.3, abs=0.05)
    assert max(implied) == pytest.approx(3.75, abs=0.05)
    assert np.corrcoef(implied, range(len(implied)))[0, 1] > 0.97
    assert [row.total for row in SEGMENTATION] == sorted(
        (row.total for row in SEGMENTATION), reverse=True
    )


def test_the_place_of_a_result():
    accuracies = [value for _, value in CLASSIFICATION]
    assert [place(value, accuracies) for value in (0.9, 0.86, 0.8, 0.4)] == [1, 1, 3, 10]


def classified(truth, predicted, probabilities=None):
    probabilities = probabilities or [None] * len(truth)
    return [
        Classified(f"{number}", *values)
        for number, values in enumerate(zip(truth, predicted, probabilities, strict=True))
    ]


def test_diagnoses():
    truth, predicted = [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 1]
    found = classification_score(classified(truth, predicted, [0.9, 0.8, 0.6, 0.4, 0.2, 0.7]), 6)
    assert (found.asked, found.cases, found.pd, found.correct) == (6, 6, 4, 4)
    assert found.accuracy == found.figures["accuracy"][0] == pytest.approx(4 / 6)
    # The mean of both classes': .75 of PD (3 of 4 right, 1 too many) and .5 of healthy.
    assert found.figures["f1"][0] == pytest.approx(0.625)
    assert found.figures["auc"][0] == pytest.approx(6 / 8)  # two of eight pairs the wrong way
    value, low, high = found.figures["accuracy"]
    assert low <= value <= high
    for name in ("f1", "auc"):  # of two healthy ones
        assert math.isnan(found.figures[name][1])
    assert found.notes == ("Accuracy alone has an interval: others need 5 of each class.",)


def test_intervals_of_five_cases_of_each_class():
    truth, predicted = [1, 0] * 5, [1, 0] * 4 + [0, 0]
    probabilities = [0.9, 0.2, 0.8, 0.1, 0.7, 0.6, 0.95, 0.3, 0.4, 0.15]
    found = classification_score(classified(truth, predicted, probabilities), 10)
    for value, low, high in found.figures.values():
        assert low < value < high
    assert found.figures["auc"] == auc_interval(truth, probabilities)
    assert found.notes == ()


def test_no_area_without_all_probabilities():
    found = classification_score(classified([1, 0], [1, 0], [0.9, None]), 2)
    assert set(found.figures) == {"accuracy", "f1"}
    assert "1 of 2 cases have a PD_prob.txt" in found.notes[0]


def test_one_class_alone_has_an_accuracy():
    found = classification_score(classified([1, 1], [1, 0]), 2)
    assert found.accuracy == 0.5
    assert set(found.figures) == {"accuracy"}
    assert classification_score([], 3) is None


def test_a_missing_vote_is_a_wrong_one_over_all_cases():
    found = classification_score(classified([1, 1], [1, 1]), 4)
    assert (found.asked, found.cases, found.missing, found.correct) == (4, 2, 2, 2)
    assert found.accuracy == 1
    assert found.over_asked == proportion(2, 4)


def test_the_interval_of_an_accuracy_is_wilsons():
    """That of the paper's 172 of 200, and none of zero width where all votes are right."""
    truth = [1, 0] * 100
    predicted = [value if number < 172 else 1 - value for number, value in enumerate(truth)]
    figure = classification_score(classified(truth, predicted), 200).figures["accuracy"]
    assert figure == pytest.approx((0.860, 0.805, 0.901), abs=5e-4)
    right = classification_score(classified(truth[:20], truth[:20]), 20).figures["accuracy"]
    assert right == pytest.approx((1.0, 0.839, 1.0), abs=5e-4)


def test_the_names_of_the_cases(scored):
    assert [one.identifier for one in scored.results] == list(NAMES)
