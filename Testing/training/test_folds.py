"""Trained folds: what they say of themselves, and what does not belong together."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fold_helpers import described, split, write_patients
from training_helpers import make_patient

from MRNLib.errors import InputError
from MRNLib.training.data import load_folder
from MRNLib.training.folds import (
    check_origin,
    check_together,
    combined,
    read_fold,
    read_folds,
    weights_file,
)

RECORD = {
    "fold": 0,
    "folds": 2,
    "trained_on": "phantom",
    "model": {"kind": "mrn"},
    "settings": {"train": {"seed": 1}},
    "patients": ["a", "b"],
    "held_out_patients": ["c"],
    "crops": {"a": "01", "b": "23", "c": "45"},
    "last_epoch": {"seconds": 4.5},
}


def write_record(folder, fold=0, **other):
    weights = weights_file(folder, fold)
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"")
    text = json.dumps({**RECORD, "fold": fold, **other})
    weights.with_suffix(".json").write_text(text, encoding="utf-8")
    return weights


def test_a_description_is_read(tmp_path):
    fold = read_fold(write_record(tmp_path))
    assert (fold.fold, fold.folds, fold.trained_on, fold.seconds) == (0, 2, "phantom", 4.5)
    assert fold.trained == {"a", "b"}
    assert fold.held_out == {"c"}
    assert fold.crops == {"a": "01", "b": "23", "c": "45"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fold": "x"}'])
def test_what_describes_no_fold_is_named(tmp_path, text):
    weights = write_record(tmp_path)
    weights.with_suffix(".json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"fold_0\.json.*does not describe"):
        read_fold(weights)


@pytest.mark.parametrize("lacking", [key for key in RECORD if key != "last_epoch"])
def test_a_description_that_lacks_something_is_named(tmp_path, lacking):
    weights = write_record(tmp_path)
    less = {key: value for key, value in RECORD.items() if key != lacking}
    weights.with_suffix(".json").write_text(json.dumps(less), encoding="utf-8")
    with pytest.raises(InputError, match=f"does not describe.*KeyError: '{lacking}'"):
        read_fold(weights)


def test_unfinished_folds_are_named(tmp_path):
    write_record(tmp_path)
    with pytest.raises(InputError, match="2 of 3 folds are not finished: 1, 2"):
        read_folds(tmp_path, 3)


def test_folds_of_a_folder_belong_together(tmp_path):
    write_record(tmp_path)
    write_record(tmp_path, 1, patients=["c", "b"], held_out_patients=["a"])
    assert [one.fold for one in read_folds(tmp_path, 2)] == [0, 1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"fold": 0}, "fold 0 was given more than once"),
        ({"model": {"kind": "mrn", "ffa_blocks": 2}}, r"another model than fold 0 \(ffa_blocks\)"),
        ({"trained_on": "human"}, "trained on human, fold 0 on phantom"),
        ({"folds": 5}, "not of one split"),
        ({"trained": frozenset("ax"), "held_out": frozenset("b")}, "not of one split"),
        ({"trained": frozenset("abc"), "held_out": frozenset("a")}, "a is said to be trained on"),
    ],
)
def test_folds_that_do_not_belong_together_are_refused(other, said):
    first, second = described(0, "ab", "c"), described(1, "bc", "a")
    check_together([first, second])
    with pytest.raises(InputError, match=said):
        check_together([first, dataclasses.replace(second, **other)])


def test_merged_patients_are_those_of_one_folder_with_all_files(tmp_path):
    whole = load_folder(write_patients(tmp_path / "all", range(12)))
    train = load_folder(write_patients(tmp_path / "train", [0, 1, 2, 5, 9, 10, 11]))
    validation = load_folder(write_patients(tmp_path / "validation", [3, 4, 6, 7, 8]))
    merged = combined(train, validation)
    assert [one.identifier for one in merged] == [one.identifier for one in whole]
    assert split(merged) == split(whole)


def test_a_patient_in_both_sets_is_refused(patients):
    with pytest.raises(InputError, match=r"2 patients are in both.*case_006"):
        combined(patients, [make_patient(number, 0) for number in (6, 7, 8)])


def test_digital_patients_are_not_called_human(patients):
    check_origin("phantom", patients)
    real = [dataclasses.replace(one, phantom=False) for one in patients]
    check_origin("human", real)
    for word, some in (("human", patients), ("phantom", real), ("human", [*real, patients[0]])):
        with pytest.raises(InputError, match="trained_on") as caught:
            check_origin(word, some)
        assert "--set trained_on=" in str(caught.value)
