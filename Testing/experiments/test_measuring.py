"""Figures of a row: votes, intervals, DeLong against the full model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from experiment_helpers import all_results, drawn_result
from scipy.special import expit

from MRNLib.bootstrap import Bootstrap
from MRNLib.delong import compare_aucs
from MRNLib.errors import InputError
from MRNLib.experiments.cells import FULL, ORACLES
from MRNLib.experiments.layout import Row
from MRNLib.experiments.measuring import Measurer
from MRNLib.experiments.tables import TABLES
from MRNLib.metrics import classification_metrics

VOTE = next(row for row in TABLES["systems"].rows if len(row.cells) > 1)


@pytest.fixture(scope="module")
def measurer() -> Measurer:
    return Measurer(all_results(), {}, draws=50)


def test_one_models_figures_are_the_metrics_of_its_probabilities(measurer):
    result = drawn_result("seres10", 1.5)
    probabilities = expit(result.scores())
    for name in classification_metrics():
        wanted = Bootstrap(result.labels, draws=50).figure(name, probabilities)
        found = measurer.figure(Row((), ("seres10",)), name)
        assert found == pytest.approx(wanted, abs=1e-12), name


def test_folds_vote(measurer):
    margins = np.array([drawn_result(key, 1.5).margins[""] for key in VOTE.cells])
    scored = measurer.scored(VOTE)
    for patient in range(margins.shape[1]):
        votes = sum(margins[fold, patient] >= 0 for fold in range(5))
        assert scored.decisions[patient] == (votes >= 3)
    labels = np.array(drawn_result(FULL, 1).labels)
    assert measurer.figure(VOTE, "accuracy")[0] == np.mean(scored.decisions == labels)
    mean = expit(margins).mean(axis=0)
    assert measurer.figure(VOTE, "brier")[0] == pytest.approx(np.mean((mean - labels) ** 2))
    assert scored.seconds == 5.0


def test_delong_is_against_the_full_model_on_the_same_patients(measurer):
    row, full = drawn_result("seres10", 1.5), drawn_result(FULL, 1.5)
    wanted = compare_aucs(row.labels, row.scores(), full.scores())
    assert measurer.against_full(Row((), ("seres10",))) == wanted
    assert measurer.against_full(Row((), (FULL,))) is None
    assert measurer.against_full(Row((), (FULL,), variant="NM")) is not None


def test_a_masking_is_measured_by_its_own_predictions(measurer):
    result = drawn_result(FULL, 1.5)
    auc = classification_metrics()["auc"]
    for variant in ("", "NM", "QSM1+QSM2+QSM3"):
        found = measurer.figure(Row((), (FULL,), variant=variant), "auc")[0]
        assert found == auc(np.array(result.labels), result.scores(variant))


def test_what_is_missing_says_why():
    results = all_results()
    del results["mrn-d"], results["mrn-d-ffa"], results[VOTE.cells[2]]
    measurer = Measurer(results, {"mrn-d": "the loss became nan What to do: lower it"}, draws=20)
    assert measurer.why_missing(Row((), ("mrn-d",))) == "failed: the loss became nan"
    assert measurer.why_missing(Row((), ("mrn-d-ffa",))) == "not run"
    assert measurer.why_missing(VOTE) == "not run"
    assert measurer.why_missing(Row((), (ORACLES,), variant="third oracle")) == "not available"
    assert measurer.why_missing(Row((), (FULL,))) == ""


def test_a_row_of_random_weights_says_so(measurer):
    assert measurer.scored(Row((), ("m3d-clip",))).weights == "random"
    assert measurer.scored(VOTE).weights == "none"


def test_without_results_nothing_is_measured():
    measurer = Measurer({}, {})
    assert measurer.patients == 0
    assert measurer.why_missing(Row((), (FULL,))) == "not run"


def test_cells_of_different_patients_are_not_compared():
    other = drawn_result("seres10", 1.0)
    other = dataclasses.replace(other, identifiers=["x", *other.identifiers[1:]])
    with pytest.raises(InputError, match="different patients"):
        Measurer({FULL: drawn_result(FULL, 1.0), "seres10": other}, {})
