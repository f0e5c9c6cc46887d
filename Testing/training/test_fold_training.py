"""One fold of the protocol: its patients, its views, its predictions, and finding it finished."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from fold_helpers import same_weights, task, write_patients
from safetensors.torch import load_file
from training_helpers import cut_again

from MRNLib.errors import InputError
from MRNLib.rois import Box
from MRNLib.training.fold_worker import Setup, load_patients, train
from MRNLib.training.predictions import keep_predictions, predict, read_predictions


def test_merged_folds_are_those_of_the_union(cohort):
    write_patients(cohort / "all", range(14))
    merged = load_patients(Setup((str(cohort / "train"), str(cohort / "validation")), None))
    whole = load_patients(Setup((str(cohort / "all"),), None))
    first = train(task(cohort, "merged"), merged, "cpu")
    second = train(task(cohort, "whole"), whole, "cpu")
    assert first.trained == second.trained
    assert same_weights(first.weights, second.weights)
    assert read_predictions(first) == read_predictions(second)


@pytest.fixture
def fold(cohort):
    """Fold 0 of the train patients, and all of those."""
    patients = load_patients(Setup((str(cohort / "train"),), None))
    return train(task(cohort, "out"), patients, "cpu"), list(patients.data)


def test_the_mirrored_view_is_that_of_mirrored_crops(fold):
    trained, patients = fold
    found = predict(trained, patients)
    assert found.shape == (2, 8)
    assert found[0] != pytest.approx(found[1], abs=1e-5)
    turned = predict(trained, [mirrored(one) for one in patients])
    assert found[0] == pytest.approx(turned[1], abs=1e-4)
    assert found[1] == pytest.approx(turned[0], abs=1e-4)


def mirrored(patient):
    def turn(roi):
        width = roi.image.shape[-1]
        (left, row, first), (right, end, last) = roi.box.lower, roi.box.upper
        return dataclasses.replace(
            roi,
            image=np.ascontiguousarray(roi.image[..., ::-1]),
            labels=np.ascontiguousarray(roi.labels[..., ::-1]),
            box=Box((width - right, row, first), (width - left, end, last)),
        )

    return dataclasses.replace(
        patient, rois={name: turn(roi) for name, roi in patient.rois.items()}
    )


def test_predictions_are_kept_while_the_weights_are(fold, monkeypatch):
    trained, patients = fold
    kept = read_predictions(trained)
    assert kept.margins.keys() == trained.held_out
    assert kept.crops == {name: trained.crops[name] for name in trained.held_out}
    by_hand = predict(trained, [one for one in patients if one.identifier in trained.held_out])
    assert kept.votes(sorted(trained.held_out), 2) == pytest.approx(by_hand)
    more = keep_predictions(trained, patients)
    assert len(more.margins) == 8
    monkeypatch.setattr("MRNLib.training.predictions.predict", None)  # nothing is left to predict
    assert keep_predictions(trained, patients) == more
    monkeypatch.undo()
    again = [cut_again(patients[0]), *patients[1:]]
    name = patients[0].identifier
    found = keep_predictions(trained, again).margins
    assert found[name] != more.margins[name]
    assert {**found, name: more.margins[name]} == more.margins
    state = load_file(trained.weights)
    torch.save({}, trained.weights)
    assert not read_predictions(trained).margins
    assert state


def test_a_finished_fold_is_found_and_another_is_not_overwritten(cohort, fold, monkeypatch):
    trained, _ = fold
    before = trained.weights.stat().st_mtime_ns
    patients = load_patients(Setup((str(cohort / "train"),), None))
    assert train(task(cohort, "out"), patients, "cpu") == trained
    assert trained.weights.stat().st_mtime_ns == before
    other = dataclasses.replace(task(cohort, "out"), folds=4)
    with pytest.raises(InputError, match="finished fold of other patients or settings"):
        train(other, patients, "cpu")
    merged = load_patients(Setup((str(cohort / "train"), str(cohort / "validation")), None))
    with pytest.raises(InputError, match="finished fold of other patients or settings"):
        train(task(cohort, "out"), merged, "cpu")
    again = [cut_again(one) for one in patients.data]
    with pytest.raises(InputError, match="crops of 8 patients are not those of this fold"):
        train(task(cohort, "out"), dataclasses.replace(patients, data=again), "cpu")
