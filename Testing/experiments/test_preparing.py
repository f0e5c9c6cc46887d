"""An experiment's groups given as volumes, as crops, or one as each."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_helpers import CONFIGS, make_patient, write_patients

from MRNLib.errors import InputError
from MRNLib.experiments.cohorts import EVALUATION, TRAIN, open_data
from MRNLib.experiments.experiment import make_plan
from MRNLib.experiments.preparing import prepared_data
from MRNLib.training.data import save_crops


def volumes(folder: Path, number: int) -> Path:
    """What looks like a cohort of so many patients."""
    for name in range(number):
        (folder / f"case_{name:03d}").mkdir(parents=True)
        (folder / f"case_{name:03d}" / "QSM.nii.gz").touch()
    return folder


def cut(data: Path, into: Path) -> None:
    """Stands in for the cutting; the evaluation's patients are others."""
    into.mkdir(parents=True, exist_ok=True)
    first = 100 if into.name == EVALUATION else 0
    for number, _ in enumerate(sorted(data.iterdir())):
        save_crops(make_patient(first + number), into)


def refuse(data: Path, into: Path) -> None:
    raise AssertionError


def test_crops_stay_where_they_are(tmp_path):
    folder = write_patients(tmp_path / "data")
    assert prepared_data(folder, tmp_path / "out", refuse) == folder
    assert not (tmp_path / "out").exists()


def test_two_cohorts_are_cut_below_the_output(tmp_path):
    volumes(tmp_path / "data" / TRAIN, 10)
    volumes(tmp_path / "data" / EVALUATION, 10)
    plan = make_plan(
        "2",
        tmp_path / "data",
        "smoke",
        tmp_path / "out",
        configs=CONFIGS,
        prepared=lambda folder: prepared_data(folder, tmp_path / "out", cut),
    )
    assert plan.data.folder == tmp_path / "out" / "crops"
    assert len(plan.data.train.identifiers) == len(plan.data.evaluation.identifiers) == 10


def test_a_cohort_beside_crops(tmp_path):
    folder = write_patients(tmp_path / "data")
    (folder / TRAIN).rename(tmp_path / "before")
    volumes(folder / TRAIN, 10)
    for _ in range(2):
        found = open_data(prepared_data(folder, tmp_path / "out", cut))
        assert found.evaluation.fingerprint == open_data_of(folder, tmp_path).evaluation.fingerprint
    save_crops(make_patient(103, seed=7), folder / EVALUATION)  # written again
    changed = open_data(prepared_data(folder, tmp_path / "out", cut))
    assert changed.evaluation.fingerprint != found.evaluation.fingerprint
    (folder / EVALUATION / "case_103.npz").unlink()
    with pytest.raises(InputError, match=r"does not have: case_103"):
        prepared_data(folder, tmp_path / "out", cut)


def open_data_of(folder: Path, work: Path):
    """The crops of ``folder``'s evaluation beside those it began with."""
    whole = work / "whole"
    if not whole.exists():
        whole.mkdir()
        (whole / TRAIN).symlink_to(work / "before")
        (whole / EVALUATION).symlink_to(folder / EVALUATION)
    return open_data(whole)


def test_one_cohort_does_not_say_whom_to_train_on(tmp_path):
    volumes(tmp_path / "data", 10)
    with pytest.raises(InputError, match=r"this is one cohort(.|\n)*train and evaluation in it"):
        prepared_data(tmp_path / "data", tmp_path / "out", refuse)


def test_a_group_that_is_not_there(tmp_path):
    folder = write_patients(tmp_path / "data")
    (folder / EVALUATION).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="data/evaluation: no crops found, nor volumes"):
        prepared_data(folder, tmp_path / "out", refuse)
