"""A cell's file: whose result it is, and whether it is there."""

from __future__ import annotations

import dataclasses

import pytest
from experiment_helpers import drawn_result, make_job, write_patients

from MRNLib.errors import InputError
from MRNLib.experiments.cells import FULL
from MRNLib.experiments.results import begin, differences, forget, read_result, state, write_result


@pytest.fixture
def job(tmp_path):
    return make_job(FULL, write_patients(tmp_path / "data", train=12), tmp_path / "out")


def test_a_result_is_read_as_it_was_written(job):
    result = dataclasses.replace(drawn_result(FULL, 1.0), identity=job.identity)
    assert state(job) == ("unfinished", [])
    write_result(job, result)
    assert state(job) == ("finished", [])
    found = read_result(job.result_file)
    assert found == result
    assert found.scores("NM+QSM1").shape == (60,)
    with pytest.raises(InputError, match="no predictions 'QSM9'"):
        found.scores("QSM9")


@pytest.mark.parametrize("whole", [True, False])
def test_a_changed_setting_is_noticed(job, tmp_path, whole):
    begin(job)
    if whole:
        write_result(job, dataclasses.replace(drawn_result(FULL, 1.0), identity=job.identity))
    other = make_job(FULL, tmp_path / "data", tmp_path / "out", "mrn:train.seed=5")
    assert state(other) == ("other", ["train.seed: 1 there, 5 asked for"])
    forget(other)
    assert state(other) == ("unfinished", [])


def test_changed_patients_are_noticed(job, tmp_path):
    begin(job)
    (tmp_path / "data" / "train" / "case_000.npz").unlink()
    other = make_job(FULL, tmp_path / "data", tmp_path / "out")
    assert state(other) == ("other", ["other patients in train"])


def test_how_it_is_computed_does_not_matter(job, tmp_path):
    begin(job)
    other = make_job(FULL, tmp_path / "data", tmp_path / "out", "mrn:train.checkpoint_minutes=1")
    assert state(other) == ("unfinished", [])


def test_a_broken_file_is_named(job):
    job.result_file.parent.mkdir(parents=True)
    job.result_file.write_text("{")
    with pytest.raises(InputError, match=r"mrn\.json: is not the result of a cell"):
        state(job)
    job.result_file.unlink()
    begin(job)
    (job.folder / "cell.json").write_text("{")
    assert state(job)[0] == "other"


def test_differences_of_nested_values():
    found = {"a": {"b": 1, "c": [1, 2]}, "d": None}
    wanted = {"a": {"b": 1, "c": [1, 3]}, "e": True}
    assert differences(found, wanted) == [
        "a.c: [1, 2] there, [1, 3] asked for",
        "e: null there, true asked for",
    ]
