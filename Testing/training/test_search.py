"""The grid of settings and its judge."""

from __future__ import annotations

import numpy as np
import pytest

from MRNLib.errors import InputError
from MRNLib.training.predictions import Votes
from MRNLib.training.search import Trial, best, grid, trial_folder

DIAGNOSES = np.array([0, 0, 1, 1])


def trial(name: str, margins: list[float]) -> Trial:
    return Trial((name,), Votes(("a", "b", "c", "d"), DIAGNOSES, np.array([margins])))


def test_a_grid_has_all_combinations_in_order():
    assert grid(["loss.temperature=0.07, 0.1", "train.betas=[0.9,0.99],[0.8,0.9]"]) == [
        ("loss.temperature=0.07", "train.betas=[0.9,0.99]"),
        ("loss.temperature=0.07", "train.betas=[0.8,0.9]"),
        ("loss.temperature=0.1", "train.betas=[0.9,0.99]"),
        ("loss.temperature=0.1", "train.betas=[0.8,0.9]"),
    ]


@pytest.mark.parametrize(
    ("tries", "said"),
    [
        (["loss.temperature"], "names no values"),
        (["loss.temperature="], "names no values"),
        (["loss.temperature=0.1,,0.2"], "names no values"),
        (["temperature=0.1"], "names no values"),
        (["loss.temperature=0.1,0.1"], "twice"),
        (["train.seed=1", "train.seed=2"], "twice"),
        (["train.seed=" + ",".join(map(str, range(65)))], "makes 65 trainings"),
    ],
)
def test_grids_that_make_no_sense_are_refused(tries, said):
    with pytest.raises(InputError, match=said):
        grid(tries)


def test_every_point_has_a_folder_of_its_own():
    points = grid(["model.backbone.weights=/a/b,/a_b,none", "train.seed=1,2"])
    names = [trial_folder(point) for point in points]
    assert len(set(names)) == len(points)
    assert not [name for name in names if "/" in name or len(name) > 70]
    assert names == [trial_folder(point) for point in points]


def test_the_highest_auc_wins_then_the_lowest_cross_entropy_then_the_first():
    low = trial("low", [1, 2, 0, 3])
    sure = trial("sure", [-9, -9, 9, 9])
    unsure = trial("unsure", [-1, -1, 1, 1])
    again = trial("again", [-9, -9, 9, 9])
    failed = Trial(("failed",), failure="the loss became nan")
    assert best([failed, low, unsure, sure, again]) is sure
    assert best([failed, low]) is low
    with pytest.raises(InputError, match=r"all 1 trials failed; the first: the loss became nan"):
        best([failed])
