"""A batch in parts, one after another or in several processes, is the batch."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from training_helpers import make_patient, tiny_settings

from MRNLib.errors import InputError
from MRNLib.training.checkpoint import read_checkpoint
from MRNLib.training.config import parse_config
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import save_crops
from MRNLib.training.distributed import Group, own_device
from MRNLib.training.folder import CHECKPOINT, METRICS
from MRNLib.training.state import state_tensors
from MRNLib.training.trainer import Trainer

SCRIPT = Path(__file__).parents[2] / "Training" / "train_mrn.py"
SLOWEST = 180.0


def cohort() -> list[PatientCrops]:
    """Ten patients; one has no QSM3, so that the parts do not hold equally many volumes."""
    patients = [make_patient(number, number % 2) for number in range(10)]
    rois = {name: roi for name, roi in patients[3].rois.items() if name != "QSM3"}
    return [
        dataclasses.replace(one, rois=rois) if n == 3 else one for n, one in enumerate(patients)
    ]


def settings(**train: Any) -> dict[str, Any]:
    """Without dropout and drop path: which units fall out is drawn for a whole tensor, and so
    depends on who else is in it. Everything else is drawn for each patient on its own.

    The rates are small because AdamW lifts rounding to steps of the full rate where a gradient is 0
    (the bias of the keys' norm, which softmax cannot see)."""
    made = tiny_settings()
    made["model"]["backbone"]["drop_path"] = 0.0
    made["model"]["head_dropout"] = 0.0
    made["loss"]["exclude_own_patient"] = True
    made["train"].update({"batch_size": 4, "lr_backbone": 2e-4, "lr_heads": 4e-4, **train})
    return made


def assert_close(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.allclose(found[name].double(), tensor.double(), atol=1e-5), name


def losses_in(folder: Path) -> list[dict[str, float]]:
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["losses"] for line in lines]


def assert_same_losses(folder: Path, other: Path) -> None:
    for found, wanted in zip(losses_in(folder), losses_in(other), strict=True):
        # A sum over squares of all gradients, about 80 here.
        assert found.pop("gradient_norm") == pytest.approx(wanted.pop("gradient_norm"), rel=1e-3)
        assert found == pytest.approx(wanted, abs=1e-5)


@pytest.fixture(scope="module")
def undivided(tmp_path_factory) -> Trainer:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undivided")
    trainer = Trainer(parse_config(settings()), cohort(), folder, fold=1, folds=5)
    trainer.run()
    return trainer


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("own_view", [True, False])
def test_small_parts_give_the_whole_batch(undivided, tmp_path, size, own_view):
    made, wanted = settings(micro_batch=size), undivided
    if not own_view:
        made["teacher"]["own_view"] = False
        whole = parse_config({**made, "train": {**made["train"], "micro_batch": None}})
        wanted = Trainer(whole, cohort(), tmp_path / "whole", fold=1, folds=5)
        wanted.run()
    trainer = Trainer(parse_config(made), cohort(), tmp_path / "parts", fold=1, folds=5)
    trainer.run()
    assert_close(state_tensors(trainer.stepper), state_tensors(wanted.stepper))
    assert_same_losses(tmp_path / "parts", wanted.folder.path)


def torchrun(folder: Path, made: dict[str, Any], processes: int = 2) -> list[str]:
    """The command that trains the cohort in several processes, everything below ``folder``."""
    (folder / "crops").mkdir()
    for patient in cohort():
        save_crops(patient, folder / "crops")
    (folder / "config.yaml").write_text(yaml.safe_dump(made), encoding="utf-8")
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc_per_node={processes}", str(SCRIPT), f"--config={folder / 'config.yaml'}"),
        *(f"--data={folder / 'crops'}", f"--out={folder}", "--fold=1", "--folds=5"),
        "--device=cpu",
    ]


def test_two_processes_give_what_one_gives(undivided, tmp_path):
    command = torchrun(tmp_path, settings(micro_batch=1))
    done = subprocess.run(command, capture_output=True, text=True, timeout=SLOWEST, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written:") == 1
    found, state = read_checkpoint(tmp_path / "fold_1" / CHECKPOINT)
    assert_close(found, state_tensors(undivided.stepper))
    assert state["position"]["updates"] == undivided.position.updates
    assert_same_losses(tmp_path / "fold_1", undivided.folder.path)
    bank = {name: found[f"bank.{name}"] for name in ("vectors", "patients", "valid", "pointer")}
    assert torch.equal(bank["patients"], undivided.stepper.contrast.bank.patients)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_of_the_group_saves(tmp_path):
    made = settings(phase1_epochs=2000)
    command = torchrun(tmp_path, made)
    folder = tmp_path / "fold_1"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        deadline = time.monotonic() + SLOWEST
        while not (folder / METRICS).is_file() or not losses_in(folder):
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGINT)
        error = child.communicate(timeout=SLOWEST)[1]
    assert child.returncode != 0
    assert "Stopped; the same command goes on." in error
    _, state = read_checkpoint(folder / CHECKPOINT)
    assert state["position"]["updates"] >= 2
    assert not list(folder.glob(".partial-*"))


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(InputError, match="a batch of 4 cannot be shared among 3 processes"):
        Group(0, 3).check_batch(4)
    assert [list(Group(rank, 2).share(4)) for rank in (0, 1)] == [[0, 1], [2, 3]]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    assert own_device("auto").type == "cpu"
    with pytest.raises(InputError, match="no GPU"):
        own_device("cuda")
