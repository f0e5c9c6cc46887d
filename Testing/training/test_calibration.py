"""Calibration: on whom, and that nobody is asked who was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from fold_helpers import described, split
from scipy.special import expit
from training_helpers import make_patient

from MRNLib.errors import InputError
from MRNLib.metrics import fit_temperature
from MRNLib.training.calibration import calibrate, refuse_trained_on, unseen_by
from MRNLib.training.predictions import Margins, Votes, ensemble, out_of_fold


@pytest.fixture
def cohort():
    return [make_patient(number, number % 2) for number in range(14)]


def said_by(folds, patients):
    """Two views of each patient by each fold, all different."""
    random = np.random.default_rng(5)
    return {
        fold.fold: Margins(
            {one.identifier: tuple(random.normal(one.diagnosis, 2, 2)) for one in patients},
            {one.identifier: one.diagnosis for one in patients},
            {one.identifier: one.fingerprint for one in patients},
        )
        for fold in folds
    }


@pytest.mark.parametrize("tta", [False, True])
def test_out_of_fold_is_the_naive_loop(cohort, tta):
    folds = split(cohort)
    said = said_by(folds, cohort)
    votes = out_of_fold({name: said[one.fold] for name, one in unseen_by(folds).items()}, tta=tta)
    assert sorted(votes.identifiers) == [one.identifier for one in cohort]
    for place, name in enumerate(votes.identifiers):
        (unseen,) = [fold for fold in folds if name not in fold.trained]
        assert name in unseen.held_out
        views = said[unseen.fold].margins[name][: 2 if tta else 1]
        assert votes.margins[:, place].tolist() == list(views)
        assert votes.diagnoses[place] == int(name[-3:]) % 2
        naive = sum(1 / (1 + np.exp(-one / 1.7)) for one in views) / len(views)
        assert votes.probabilities(1.7)[place] == pytest.approx(naive)


@pytest.mark.parametrize("tta", [False, True])
def test_an_ensemble_is_the_mean_of_its_votes(cohort, tta):
    folds = split(cohort)
    said = said_by(folds, cohort)
    names = ["case_003", "case_001", "case_010"]
    votes = ensemble(list(said.values()), names, tta=tta)
    for place, name in enumerate(names):
        all_votes = [
            expit(one) for fold in folds for one in said[fold.fold].margins[name][: 1 + tta]
        ]
        assert votes.probabilities()[place] == pytest.approx(np.mean(all_votes))


def test_folds_that_are_missing_leave_their_patients_out(cohort):
    folds = split(cohort)
    some = unseen_by(folds[:2])
    assert some.keys() == folds[0].held_out | folds[1].held_out


def test_a_patient_held_out_twice_is_refused():
    with pytest.raises(InputError, match="c is held out by fold 0 and by fold 1"):
        unseen_by([described(0, "ab", "c"), described(1, "ab", "c")])


def test_folds_without_held_out_patients_cannot_calibrate_themselves():
    with pytest.raises(InputError, match="held nobody out") as caught:
        unseen_by([described(0, "abc", "")])
    assert "--validation" in str(caught.value)


def test_patients_trained_on_are_refused(cohort):
    folds = split(cohort)
    refuse_trained_on(folds, ["somebody_else", "another"])
    held_out = min(folds[0].held_out)  # by fold 0; the others were trained on it
    with pytest.raises(InputError, match="1 of 2 patients") as caught:
        refuse_trained_on(folds, [held_out, "somebody_else"])
    assert f"fold 1 was trained on, e.g. {held_out}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_the_temperature_is_the_metrics_own():
    random = np.random.default_rng(0)
    diagnoses = np.arange(60) % 2
    margins = random.normal(4 * diagnoses - 2, 3, (1, 60)) * 3
    names = tuple(map(str, range(60)))
    found = calibrate(Votes(names, diagnoses, margins), "out of fold")
    assert found.temperature == pytest.approx(fit_temperature(margins, diagnoses), abs=1e-4)
    assert found.temperature > 2  # three times too sure


@pytest.mark.parametrize("diagnoses", [[0, 1] * 4, [1] * 30])
def test_too_few_to_calibrate_on(diagnoses):
    votes = Votes(tuple(map(str, diagnoses)), np.array(diagnoses), np.ones((1, len(diagnoses))))
    with pytest.raises(InputError, match="no sample to calibrate on"):
        calibrate(votes, "validation")
