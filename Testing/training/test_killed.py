"""A training that is killed at any moment, or runs out of disk, loses nothing."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_helpers import make_patient, tiny_settings

from MRNLib.errors import Cancelled, InputError
from MRNLib.training import checkpoint, export
from MRNLib.training.checkpoint import read_checkpoint
from MRNLib.training.config import TrainingConfig, parse_config
from MRNLib.training.data import save_crops
from MRNLib.training.folder import CHECKPOINT, METRICS, TrainingFolder
from MRNLib.training.state import state_tensors
from MRNLib.training.trainer import Trainer

SCRIPT = Path(__file__).parents[2] / "Training" / "train_mrn.py"
SLOWEST = 180.0
KILLS = 2


def settings() -> TrainingConfig:
    """Thirty steps, a checkpoint after most of them."""
    made = tiny_settings()
    made["train"].update(phase1_epochs=4, phase2_epochs=6, checkpoint_minutes=0.0005)
    return parse_config(made)


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    for number in range(8):
        save_crops(make_patient(number, number % 2), folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Trainer:
    torch.set_num_threads(1)
    patients = [make_patient(number, number % 2) for number in range(8)]
    folder = tmp_path_factory.mktemp("undisturbed")
    trainer = Trainer(settings(), patients, folder, fold=1, folds=4)
    trainer.run()
    return trainer


def start(crops: Path, out: Path) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    config = out / "config.yaml"
    config.write_text(yaml.safe_dump(settings().as_json()), encoding="utf-8")
    command = [sys.executable, str(SCRIPT), f"--config={config}", f"--data={crops}"]
    options = [f"--out={out}", "--fold=1", "--folds=4", "--device=cpu"]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_step(child: subprocess.Popen[str], folder: Path, before: float) -> None:
    """Until the child has saved something new."""
    path, deadline = folder / CHECKPOINT, time.monotonic() + SLOWEST
    while not path.is_file() or path.stat().st_mtime <= before:
        if child.poll() is not None:
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_same_training(folder: Path, wanted: Trainer) -> None:
    found, state = read_checkpoint(folder / CHECKPOINT)
    tensors = state_tensors(wanted.stepper)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name
    assert state["position"]["updates"] == wanted.position.updates == 30

    def metrics(one: Path) -> list[dict[str, Any]]:
        lines = (one / METRICS).read_text(encoding="utf-8").splitlines()
        return [{k: v for k, v in json.loads(x).items() if k != "seconds"} for x in lines]

    assert metrics(folder) == metrics(wanted.folder.path)
    written = load_file(folder / "fold_1.safetensors")
    state_dict = wanted.model.state_dict()
    assert all(torch.equal(tensor, state_dict[name]) for name, tensor in written.items())
    assert not list(folder.glob(".partial-*"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_again_and_again_it_ends_as_if_it_had_not_been(crops, undisturbed, tmp_path):
    folder, seed = tmp_path / "fold_1", random.randrange(2**32)
    moments = random.Random(seed)
    print(f"moments drawn with seed {seed}")
    killed, before = 0, 0.0
    while True:
        with start(crops, tmp_path) as child:
            if killed < KILLS:
                wait_for_step(child, folder, before)
                time.sleep(moments.uniform(0.0, 0.4))
                child.kill()
            _, error = child.communicate(timeout=SLOWEST)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL, error
        killed += 1
        before = (folder / CHECKPOINT).stat().st_mtime
    assert killed >= 1
    assert_same_training(folder, undisturbed)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking")
def test_sigterm_saves_and_the_same_command_goes_on(crops, undisturbed, tmp_path):
    folder = tmp_path / "fold_1"
    with start(crops, tmp_path) as child:
        wait_for_step(child, folder, 0.0)
        child.terminate()
        _, error = child.communicate(timeout=SLOWEST)
    assert child.returncode == 130
    assert error.strip() == "Stopped; the same command goes on."
    with start(crops, tmp_path) as child:
        _, error = child.communicate(timeout=SLOWEST)
    assert child.returncode == 0, error
    assert_same_training(folder, undisturbed)


def full_disk(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def resumed(folder: Path) -> Trainer:
    patients = [make_patient(number, number % 2) for number in range(8)]
    return Trainer(settings(), patients, folder, fold=1, folds=4)


def test_a_full_disk_ends_with_one_error_and_the_last_checkpoint(
    undisturbed, tmp_path, monkeypatch
):
    first = resumed(tmp_path)
    steps = iter(range(7))

    def progress(fraction: float, message: str) -> None:
        if next(steps, None) is None:
            raise Cancelled("enough")

    first.progress = progress
    with pytest.raises(Cancelled):
        first.run()
    kept = (tmp_path / CHECKPOINT).read_bytes()
    with monkeypatch.context() as full:
        full.setattr(checkpoint, "save_file", full_disk)
        with pytest.raises(InputError, match=r"No space left on device.*\n.*\n.*goes on"):
            resumed(tmp_path).run()
    assert (tmp_path / CHECKPOINT).read_bytes() == kept
    with monkeypatch.context() as full:
        full.setattr(export, "save_file", full_disk)
        with pytest.raises(InputError, match="No space left on device"):
            resumed(tmp_path).run()
    assert not (tmp_path / "fold_1.safetensors").exists()
    resumed(tmp_path).run()
    assert_same_training(tmp_path, undisturbed)


def test_metrics_without_a_checkpoint_are_of_nothing(tmp_path):
    folder = TrainingFolder(tmp_path, {})
    folder.record({"epoch": 1, "losses": {"total": 1.0}})
    with (tmp_path / METRICS).open("a", encoding="utf-8") as stream:
        stream.write('{"epoch": 2, "losses": {"total": 1.0}')  # cut by a kill
    (tmp_path / f".partial-0123-{CHECKPOINT}").write_bytes(b"half")
    assert [one["epoch"] for one in folder.records()] == [1]
    assert folder.load() is None
    assert folder.records() == []
    folder.release()
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]
