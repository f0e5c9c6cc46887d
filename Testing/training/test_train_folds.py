"""The protocol from its scripts: three commands, stopped, killed and repeated."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import cut_again
from fold_helpers import quick_settings, write_patients
from safetensors.torch import load_file
from test_scripts import TRAINING, script

import MRNLib
from MRNLib.bundle import open_bundle
from MRNLib.errors import Cancelled, InputError
from MRNLib.rois import Box
from MRNLib.training.config import load_config
from MRNLib.training.fold_worker import Setup, Task, load_patients, train
from MRNLib.training.folds import read_folds, weights_file
from MRNLib.training.interruption import terminated_like_interrupted
from MRNLib.training.predictions import keep_predictions, predict, read_predictions
from MRNLib.training.workforce import Workforce

SEGMENTERS = Path(MRNLib.__file__).parent / "bundles" / "phantom-tiny"


def write_settings(folder: Path, **train_settings) -> Path:
    settings = quick_settings()
    settings["train"].update(train_settings)
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture
def cohort(tmp_path):
    """Train and validation crops, and settings that train in a moment."""
    write_patients(tmp_path / "train", range(8))
    write_patients(tmp_path / "validation", range(8, 14))
    write_settings(tmp_path)
    return tmp_path


def task(folder: Path, out: str, fold: int = 0, folds: int = 2) -> Task:
    settings = load_config(folder / "quick.yaml").as_json()
    return Task(f"fold {fold}", settings, str(folder / out), fold, folds)


def same_weights(first: Path, second: Path) -> bool:
    one, other = load_file(first), load_file(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_protocol_in_three_commands(cohort, capsys, monkeypatch):
    monkeypatch.chdir(cohort)
    module = script("train_folds")
    shared = ["--data=train", "--validation=validation", "--folds=2", "--draws=20"]
    tune = [*shared, "--config=quick.yaml", "--out=tuned", "--try=train.lr_heads=1e30,2e-3,4e-3"]
    assert module.main(tune) == 0, capsys.readouterr().err
    search = json.loads(Path("tuned/search/search.json").read_text(encoding="utf-8"))
    assert "went astray" in search["trials"][0]["failure"]
    assert search["chosen"] in (["train.lr_heads=2e-3"], ["train.lr_heads=4e-3"])
    areas = [one["measures"]["auc"][0] for one in search["trials"][1:]]
    chosen = next(one for one in search["trials"] if one["overrides"] == search["chosen"])
    assert chosen["measures"]["auc"][0] == max(areas)
    table = Path("tuned/search/search.md").read_text(encoding="utf-8")
    assert "| `train.lr_heads=1e30` | failed" in table
    assert table.count("chosen |") == 1
    rate = float(search["chosen"][0].partition("=")[2])
    for fold in read_folds(Path("tuned"), 2):
        assert fold.settings["train"]["lr_heads"] == rate
        assert len(fold.trained) == 4
    report = json.loads(Path("tuned/report.json").read_text(encoding="utf-8"))
    assert [row["patients"] for row in report["rows"]] == [4, 4, 8, 8, 6, 6]
    assert "nothing about real ones" in Path("tuned/report.md").read_text(encoding="utf-8")

    final = [*shared, "--config=tuned/settings.yaml", "--merge", "--out=final"]
    assert module.main(final) == 0, capsys.readouterr().err
    for fold in read_folds(Path("final"), 2):
        assert fold.settings["train"]["lr_heads"] == rate
        assert len(fold.trained | fold.held_out) == 14
    report = json.loads(Path("final/report.json").read_text(encoding="utf-8"))
    assert [row["patients"] for row in report["rows"]] == [7, 7, 14, 14]

    segmenters = [f"--segmenter-{one}={SEGMENTERS}/segmenter_{one}" for one in ("qsm", "nm")]
    assert export(["--trained=final", "--out=bundle", "--draws=20", *segmenters]) == 0
    facts = open_bundle("bundle").manifest.training
    assert (facts.patients, facts.merged, facts.source, facts.measured) == (
        14,
        True,
        "out of fold",
        14,
    )
    capsys.readouterr()
    # The first folds have not seen validation, so it calibrates them; the merged ones have.
    assert export(["--trained=tuned", "--out=first", "--draws=20", *segmenters]) == 2
    assert "6 patients" in capsys.readouterr().err  # too few
    overlapping = ["--trained=final", "--out=none", "--validation=validation", *segmenters]
    assert export(overlapping) == 2
    assert "of 6 patients are among those that fold 0 was trained on" in capsys.readouterr().err
    assert not Path("first").exists()
    assert not Path("none").exists()


def export(arguments: list[str]) -> int:
    code = script("export_bundle").main(arguments)
    assert isinstance(code, int)
    return code


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


def test_a_killed_worker_is_told_and_the_training_goes_on(cohort):
    write_settings(cohort, phase2_epochs=3, checkpoint_minutes=1e-9)
    setup = Setup((str(cohort / "train"),), None)
    undisturbed = train(task(cohort, "whole"), load_patients(setup), "cpu")
    with Workforce(setup, 1, cohort / "out") as workforce:

        def kill(fraction: float, message: str) -> None:
            if fraction > 0.5:
                workforce._members[0].process.kill()

        with pytest.raises(Exception, match=r"fold 0: the process .* signal 9") as caught:
            workforce.run([task(cohort, "out")], kill)
        assert "the same command again" in str(caught.value)
    assert not weights_file(cohort / "out", 0).exists()
    with Workforce(setup, 1, cohort / "out") as workforce:
        workforce.run([task(cohort, "out")])
    assert same_weights(undisturbed.weights, weights_file(cohort / "out", 0))


def test_two_commands_do_not_share_a_folder(cohort):
    setup = Setup((str(cohort / "train"),), None)
    with (
        Workforce(setup, 1, cohort / "out"),
        pytest.raises(InputError, match="another train_folds"),
        Workforce(setup, 1, cohort / "out"),
    ):
        pass
    with Workforce(setup, 1, cohort / "out"):
        pass


def test_a_cluster_that_ends_the_command_is_like_ctrl_c():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGINT, 2), (signal.SIGKILL, 1)])
def test_a_stopped_command_saves_and_goes_on(cohort, how, jobs):
    write_settings(cohort, phase2_epochs=150)
    command = [
        *(sys.executable, str(TRAINING / "train_folds.py"), "--folds=2", f"--jobs={jobs}"),
        *(f"--data={cohort / 'train'}", f"--config={cohort / 'quick.yaml'}"),
        *(f"--out={cohort / 'out'}", "--draws=20"),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    metrics = [cohort / "out" / f"fold_{n}" / "metrics.jsonl" for n in range(jobs)]
    for _ in range(2400):
        if all(path.exists() and path.stat().st_size > 300 for path in metrics):
            break
        time.sleep(0.05)
    if how == signal.SIGINT:
        os.killpg(running.pid, how)  # as a terminal does
    else:
        os.kill(running.pid, how)
    _, said = running.communicate(timeout=60)
    checkpoints = [path.with_name("checkpoint.safetensors") for path in metrics]
    if how == signal.SIGKILL:  # the workers find out by themselves
        for _ in range(600):
            if all(path.exists() for path in checkpoints):
                break
            time.sleep(0.1)
    else:
        assert running.returncode == 130
        assert said.strip() == "Stopped; the same command goes on."
    assert all(path.exists() for path in checkpoints)
    assert not any(weights_file(cohort / "out", fold).exists() for fold in (0, 1))
    # What was saved is in the middle, and a worker goes on with it.
    setup = Setup((str(cohort / "train"),), None)

    def stop(fraction: float, message: str) -> None:
        assert fraction > 1 / 150
        raise Cancelled("seen")

    with pytest.raises(Cancelled):
        train(task(cohort, "out"), load_patients(setup), "cpu", stop)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--set=train.sede=1"], "did you mean train.seed?"),
        (["--merge"], "--merge needs validation"),
        (["--try=train.seed=1,2"], "--try needs validation"),
        (["--merge", "--try=train.seed=1,2", "--validation=validation"], "cannot be judged"),
        (["--validation=train"], "8 patients are in both train and validation"),
        (["--validation=nowhere"], "no crops found"),
        (["--try=train.sede=1,2", "--validation=validation"], "did you mean train.seed?"),
        (["--set=trained_on=human"], "8 of 8 patients are digital ones"),
        (["--folds=1"], "'--folds': Input"),
        (["--folds=5"], "fewer folds"),
        (["--jobs=0"], "'--jobs': Input"),
        (["--out=quick.yaml"], "not a folder"),
    ],
)
def test_mistakes_are_told(cohort, capsys, monkeypatch, extra, said):
    monkeypatch.chdir(cohort)
    arguments = ["--config=quick.yaml", "--data=train", "--folds=2", "--out=out", "--device=cpu"]
    assert script("train_folds").main([*arguments, *extra]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name either --trained or --folds"),
        (["--trained=out", "--folds=x"], "name either --trained or --folds"),
        (["--trained=train"], "no folder of trained folds"),
        (["--folds=x.safetensors"], "--folds needs the crops"),
        (["--folds=x.safetensors", "--data=train"], "not there, or not finished"),
    ],
)
def test_mistakes_in_exporting_are_told(cohort, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(cohort)
    always = ["--out=bundle", "--segmenter-qsm=a", "--segmenter-nm=b"]
    assert export([*arguments, *always]) == 2
    assert said in capsys.readouterr().err
