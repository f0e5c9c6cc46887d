"""The two commands: from volumes to crops to a fold, and what they say when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from cohort_helpers import head, write_cohort
from script_helpers import TRAINING, script

from MRNLib.training.crops import crops_from_arrays
from MRNLib.training.data import load_crops


def test_a_cohort_becomes_crops_in_canonical_order(tmp_path, capsys):
    write_cohort(tmp_path / "cohort")
    arguments = ["--data", str(tmp_path / "cohort"), "--out", str(tmp_path / "crops")]
    assert script("prepare_crops").main([*arguments, "--workers", "1"]) == 0
    crops = load_crops(tmp_path / "crops" / "case_a.npz")
    wanted = crops_from_arrays(*head(), (0.6667, 0.6667, 2.0), identifier="a", diagnosis="PD")
    assert crops.diagnosis == 1
    for name, roi in wanted.rois.items():
        assert np.array_equal(crops.rois[name].image, roi.image)
        assert np.array_equal(crops.rois[name].labels, roi.labels)
        assert crops.rois[name].box == roi.box
    capsys.readouterr()
    assert script("prepare_crops").main([*arguments, "--workers", "1"]) == 0
    assert "2 patients, 2 already there" in capsys.readouterr().out


def test_a_fold_is_trained_and_written(training, tmp_path, capsys):
    assert script("train_mrn").main([*training, "--set", "train.seed=3"]) == 0
    record = json.loads((tmp_path / "out" / "fold_1" / "fold_1.json").read_text(encoding="utf-8"))
    assert record["settings"]["train"]["seed"] == 3
    figures = record["last_epoch"]["held_out"]
    line = f"AUC {figures['auc']:.3f}, accuracy {figures['accuracy']:.3f}"
    said = capsys.readouterr().out
    assert "fold_1.safetensors" in said
    assert f"2 held-out patients, last epoch: {line}" in said
    assert "already finished" not in said
    assert script("train_mrn").main([*training, "--set", "train.seed=3"]) == 0
    said = capsys.readouterr().out
    assert "already finished" in said
    assert line in said


@pytest.mark.parametrize("extra", [["--fold=x"], ["--fold=9"], ["--data=nowhere"]])
def test_of_several_processes_the_first_one_speaks(training, capsys, monkeypatch, extra):
    monkeypatch.setenv("RANK", "1")
    assert script("train_mrn").main([*training, *extra]) == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--set", "train.lr_backbon=1"], "did you mean train.lr_backbone?"),
        (["--fold=9"], "--fold 9 of --folds 4 does not exist"),
        (["--folds=5"], "fewer folds"),
        (["--config=nowhere.yaml"], "does not exist"),
        (["--data=nowhere"], "no crops found"),
    ],
)
def test_mistakes_in_training_are_told(training, capsys, extra, said):
    assert script("train_mrn").main([*training, *extra]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (["--phantoms", "5"], "FIRST:COUNT"),
        (["--data", "nowhere"], "no such folder"),
        ([], "either --phantoms or --data"),
        (["--phantoms", "0:2", "--data", "nowhere"], "either --phantoms or --data"),
    ],
)
def test_mistakes_in_cropping_are_told(tmp_path, capsys, source, said):
    assert script("prepare_crops").main([*source, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_ends_the_croppers_without_a_word(tmp_path):
    crops = tmp_path / "crops"
    command = [
        *(sys.executable, str(TRAINING / "prepare_crops.py"), "--phantoms=0:300"),
        *(f"--out={crops}", "--workers=2"),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    lines = iter(running.stdout.readline, "")
    assert next(line for line in lines if "20/300" in line)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.strip() == "Stopped; the same command goes on."
    written = [path.name for path in crops.iterdir()]
    assert 20 <= len(written) < 300
    assert all(re.fullmatch(r"phantom_\d{7}\.npz", name) for name in written)
