"""The two folders of patients: what is taken, what is refused, what counts as the same patients."""

from __future__ import annotations

import os

import pytest
from experiment_helpers import make_patient, write_patients

from MRNLib.errors import InputError
from MRNLib.experiments.cells import FOLDS
from MRNLib.experiments.cohorts import (
    EVALUATION,
    FEWEST_TRAINING_RADIOMICS,
    TRAIN,
    open_data,
    patients_of,
)
from MRNLib.radiomics_models import FEWEST
from MRNLib.training.crops import NO_SEED
from MRNLib.training.data import save_crops, stratified_folds


def test_what_is_there(tmp_path):
    data = open_data(write_patients(tmp_path, train=10, evaluation=10))
    assert data.trained_on == "phantom"
    assert data.oracles
    assert data.evaluation.diagnoses == (0, 1) * 5
    assert [one.identifier for one in patients_of(data, TRAIN)] == list(data.train.identifiers)
    assert patients_of(data, EVALUATION) is patients_of(data, EVALUATION)  # read once


def test_patients_cut_again_are_the_same_patients(tmp_path):
    first = open_data(write_patients(tmp_path / "a"))
    folder = write_patients(tmp_path / "b")
    for path in (folder / TRAIN).glob("*.npz"):
        os.utime(path, (0, 0))
    assert open_data(folder).fingerprints() == first.fingerprints()
    save_crops(make_patient(2, seed=77), folder / TRAIN)  # in the place of another
    changed = open_data(folder).fingerprints()
    assert changed[TRAIN] != first.fingerprints()[TRAIN]
    assert changed[EVALUATION] == first.fingerprints()[EVALUATION]


def test_real_patients_have_no_oracle(tmp_path):
    data = open_data(write_patients(tmp_path, phantom=False, seed=NO_SEED))
    assert data.trained_on == "human"
    assert not data.oracles


def test_phantoms_read_from_volumes_have_no_oracle(tmp_path):
    data = open_data(write_patients(tmp_path, seed=NO_SEED))
    assert data.trained_on == "phantom"
    assert not data.oracles


def test_a_patient_in_both_folders_is_refused(tmp_path):
    folder = write_patients(tmp_path)
    save_crops(make_patient(3), folder / EVALUATION)
    with pytest.raises(InputError, match="1 patients are in train and in evaluation, case_003"):
        open_data(folder)


def test_digital_and_real_patients_are_not_mixed(tmp_path):
    folder = write_patients(tmp_path)
    save_crops(make_patient(200, phantom=False), folder / EVALUATION)
    with pytest.raises(InputError, match="mixed"):
        open_data(folder)


def test_real_patients_are_not_evaluated_by_phantom_training(tmp_path):
    write_patients(tmp_path / "phantoms")
    write_patients(tmp_path / "people", phantom=False)
    (tmp_path / "phantoms" / EVALUATION).rename(tmp_path / "phantoms" / "before")
    (tmp_path / "people" / EVALUATION).rename(tmp_path / "phantoms" / EVALUATION)
    with pytest.raises(InputError, match="mixed"):
        open_data(tmp_path / "phantoms")


def test_too_few_of_a_class(tmp_path):
    with pytest.raises(InputError, match="5 HC and 4 PD are too few to evaluate on"):
        open_data(write_patients(tmp_path, evaluation=9))


def test_too_few_of_a_class_to_train_on(tmp_path):
    with pytest.raises(InputError, match=r"train: 5 HC and 4 PD are too few to train on"):
        open_data(write_patients(tmp_path / "a", train=9))
    few = write_patients(tmp_path / "b", train=17)
    open_data(few)
    with pytest.raises(InputError, match=r"9 HC and 8 PD are too few(.|\n)*9 or more of each"):
        open_data(few, radiomics=True)


def test_the_fewest_that_are_taken_are_enough_for_the_radiomics_models(tmp_path):
    data = open_data(write_patients(tmp_path, train=2 * FEWEST_TRAINING_RADIOMICS), radiomics=True)
    for training, _ in stratified_folds(patients_of(data, TRAIN), FOLDS):
        diagnoses = [data.train.diagnoses[place] for place in training]
        assert min(diagnoses.count(0), diagnoses.count(1)) >= FEWEST


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no crops found(.|\n)*prepare_crops.py"):
        open_data(tmp_path)
    folder = write_patients(tmp_path)
    (folder / TRAIN / "case_002.npz").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"case_002\.npz: this is not a crop file"):
        open_data(folder)
