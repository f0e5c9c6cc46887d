"""A small grid of settings, each trained on fold 0 and judged on validation (section 4.1.1).

The paper chose its temperature that way, "from 0.07, 0.1". Judged by the AUC on validation; a tie
goes to the lower cross-entropy, then to the settings that come first. The winner's figure is the
best of several on the same patients and flatters it: the merged folds are measured anew.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MRNLib.errors import InputError
from MRNLib.metrics import area_under_curve
from MRNLib.training.predictions import Votes

MAXIMUM_TRIALS = 64


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes:
        overrides: ``group.key=value`` texts, one for each setting in the grid.
        votes: Fold 0's votes on validation; None if the training failed.
        failure: Why it failed.
        seconds: What its training took, over all sittings.
    """

    overrides: tuple[str, ...]
    votes: Votes | None = None
    failure: str = ""
    seconds: float = 0.0


def grid(tries: Sequence[str]) -> list[tuple[str, ...]]:
    """All combinations of some settings' values, the last setting varying fastest.

    Args:
        tries: ``group.key=value,value,...`` texts; commas in brackets belong to a value.

    Raises:
        InputError: No values, a setting twice, or more than ``MAXIMUM_TRIALS`` combinations.
    """
    columns: dict[str, list[str]] = {}
    for text in tries:
        name, equals, values = text.partition("=")
        name, choices = name.strip(), _split(values)
        if not equals or "." not in name or not all(choices):
            raise InputError(
                f"--try {text} names no values",
                expected="group.key=value,value as in loss.temperature=0.07,0.1",
            )
        if name in columns or len(set(choices)) < len(choices):
            raise InputError(f"--try {text}: something is there twice", expected="each value once")
        columns[name] = [f"{name}={value}" for value in choices]
    points = list(itertools.product(*columns.values()))
    if len(points) > MAXIMUM_TRIALS:
        raise InputError(
            f"--try makes {len(points)} trainings",
            expected=f"{MAXIMUM_TRIALS} or fewer",
            remedy="try fewer values at once",
        )
    return points


def _split(values: str) -> list[str]:
    """Splits at commas outside brackets."""
    parts, depth = [""], 0
    for letter in values:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def trial_folder(overrides: Sequence[str]) -> str:
    """A folder name for one point of the grid that no other point has."""
    whole = " ".join(overrides)
    readable = re.sub(r"[^\w.=+-]+", "_", whole)[:60]
    return f"{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"


def cross_entropy(votes: Votes) -> float:
    """Mean negative log-likelihood of the averaged probability, uncalibrated."""
    probabilities = np.clip(votes.probabilities(), 1e-7, 1 - 1e-7)
    right = np.where(votes.diagnoses == 1, probabilities, 1 - probabilities)
    return float(-np.log(right).mean())


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest AUC on validation.

    Raises:
        InputError: All of them failed.
    """

    def order(trial: Trial) -> tuple[float, float]:
        assert trial.votes is not None
        area = area_under_curve(trial.votes.diagnoses, trial.votes.probabilities())
        return -area, cross_entropy(trial.votes)

    finished = [trial for trial in trials if trial.votes is not None]
    if not finished:
        raise InputError(
            f"all {len(trials)} trials failed; the first: {trials[0].failure}",
            remedy="try other values",
        )
    return min(finished, key=order)
