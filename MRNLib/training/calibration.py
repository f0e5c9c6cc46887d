"""Which patients may calibrate an ensemble, and the temperature that they give.

A temperature fitted on patients that a fold was trained on makes the fold look surer than it is
(Guo et al. 2017 fit it on a validation set). Two sources are left: each patient by the fold that
held it out, or patients that no fold has seen. Everything else is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from MRNLib.errors import InputError
from MRNLib.metrics import fit_temperature
from MRNLib.training.folds import TrainedFold
from MRNLib.training.predictions import Votes

Source = Literal["out of fold", "validation"]
# Fewer patients than this give a temperature by chance.
MINIMUM_PATIENTS = 10
# From here on every probability is close to .5: the votes told nothing (the fit ends at exp(3)).
HOPELESS_TEMPERATURE = 15.0


@dataclass(frozen=True)
class Calibration:
    """A temperature and where it comes from.

    Attributes:
        temperature: Divides the logits.
        source: ``out of fold``: one fold's votes on each patient, so the averaged folds, which are
            less sure than one, come out a little less sure than they might be. ``validation``: the
            ensemble's votes.
        votes: What it was fitted on.
    """

    temperature: float
    source: Source
    votes: Votes


def unseen_by(folds: Sequence[TrainedFold]) -> dict[str, TrainedFold]:
    """For each held-out patient the fold that was not trained on it.

    Args:
        folds: Folds of one split (:func:`MRNLib.training.folds.check_together`). If some of its
            folds are missing, so are the patients that those held out.

    Raises:
        InputError: A patient is held out by two folds, or nobody is held out.
    """
    unseen: dict[str, TrainedFold] = {}
    for one in folds:
        for name in one.held_out:
            if name in unseen:
                raise InputError(
                    f"{name} is held out by fold {unseen[name].fold} and by fold {one.fold}",
                    file=one.weights.with_suffix(".json"),
                    expected="folds of one split, which hold each patient out once",
                )
            unseen[name] = one
    if not unseen:
        raise InputError(
            "these folds held nobody out: there is nothing to calibrate them on",
            file=folds[0].weights.with_suffix(".json"),
            remedy="give crops of patients that they have not seen: --validation CROPS",
        )
    return unseen


def refuse_trained_on(folds: Sequence[TrainedFold], identifiers: Collection[str]) -> None:
    """Refuses patients that any of the folds was trained on.

    Raises:
        InputError: With the number of such patients, one of their names and its fold.
    """
    wanted = set(identifiers)
    for one in folds:
        if shared := sorted(wanted & one.trained):
            raise InputError(
                f"{len(shared)} of {len(wanted)} patients are among those that fold {one.fold} was "
                f"trained on, e.g. {shared[0]}",
                file=one.weights.with_suffix(".json"),
                expected="patients that no fold was trained on",
                remedy="leave --validation out to calibrate each patient by the fold that held it "
                "out",
            )


def calibrate(votes: Votes, source: Source) -> Calibration:
    """Fits the temperature to votes on patients that the voters have not seen.

    Raises:
        InputError: Too few patients, or one diagnosis only.
    """
    number, positive = len(votes.diagnoses), int(votes.diagnoses.sum())
    if number < MINIMUM_PATIENTS or positive in (0, number):
        raise InputError(
            f"{number} patients, {positive} of them with PD, are no sample to calibrate on",
            expected=f"{MINIMUM_PATIENTS} patients or more, of both diagnoses",
            remedy="give crops of more patients that no fold was trained on: --validation CROPS",
        )
    temperature = fit_temperature(votes.margins, votes.diagnoses)
    return Calibration(round(temperature, 4), source, votes)
