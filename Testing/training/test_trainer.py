"""The loop: it learns, it can be killed and resumed, and what it exports is what it trained."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from scipy.special import expit
from training_helpers import cut_again, make_patient, tiny_settings

from MRNLib.errors import Cancelled, InputError
from MRNLib.models.build import build_system
from MRNLib.training.checkpoint import read_checkpoint, write_checkpoint
from MRNLib.training.config import TrainingConfig, parse_config
from MRNLib.training.evaluation import evaluate, margins
from MRNLib.training.export import export_fold, load_exported
from MRNLib.training.folder import CHECKPOINT, METRICS
from MRNLib.training.lock import LOCK
from MRNLib.training.state import state_tensors
from MRNLib.training.trainer import Trainer


def changed(**groups: dict[str, Any]) -> TrainingConfig:
    settings = tiny_settings()
    for name, values in groups.items():
        settings[name] = {**settings[name], **values}
    return parse_config(settings)


def make(config, patients, folder, progress: Callable[[float, str], None] | None = None) -> Trainer:
    torch.manual_seed(99)  # whatever happened before must not matter
    torch.rand(3)
    extra = {} if progress is None else {"progress": progress}
    return Trainer(config, patients, folder, fold=1, folds=4, **extra)


def stop_after(steps: int) -> Callable[[float, str], None]:
    left = [steps]

    def progress(fraction: float, message: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Cancelled("enough")

    return progress


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    return state_tensors(trainer.stepper)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Trainer:
    folder = tmp_path_factory.mktemp("finished")
    torch.set_num_threads(1)
    patients = [make_patient(number, number % 2) for number in range(8)]
    trainer = make(parse_config(tiny_settings()), patients, folder)
    trainer.run()
    return trainer


@pytest.mark.parametrize("steps", [1, 3, 5, 8])
def test_resumed_equals_uninterrupted(finished, patients, config, tmp_path, steps):
    # Three steps an epoch: stops inside an epoch, at its end, in either phase.
    with pytest.raises(Cancelled):
        make(config, patients, tmp_path, stop_after(steps)).run()
    resumed = make(config, patients, tmp_path)
    assert resumed.position.updates == steps
    resumed.run()
    wanted, found = everything(finished), everything(resumed)
    assert wanted.keys() == found.keys()
    for name, tensor in wanted.items():
        assert torch.equal(tensor, found[name]), name

    def records(trainer: Trainer) -> list[dict[str, Any]]:
        lines = (trainer.folder.path / METRICS).read_text(encoding="utf-8").splitlines()
        return [{k: v for k, v in json.loads(one).items() if k != "seconds"} for one in lines]

    assert records(resumed) == records(finished)


def test_a_kill_between_checkpoints_loses_nothing(finished, patients, config, tmp_path):
    first = make(config, patients, tmp_path, stop_after(4))
    with pytest.raises(Cancelled):
        first.run()
    kept = (tmp_path / CHECKPOINT).read_bytes()
    second = make(config, patients, tmp_path, stop_after(3))
    with pytest.raises(Cancelled):
        second.run()
    # As after SIGKILL: the metrics went on, the checkpoint did not.
    (tmp_path / CHECKPOINT).write_bytes(kept)
    third = make(config, patients, tmp_path)
    third.run()
    assert torch.equal(
        everything(third)["student.classification_head.output.weight"],
        everything(finished)["student.classification_head.output.weight"],
    )
    lines = (tmp_path / METRICS).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_stop(patients, config, tmp_path, number):
    sent = []

    def progress(fraction: float, message: str) -> None:
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Cancelled, match="saved"):
        make(config, patients, tmp_path, progress).run()
    assert signal.getsignal(number) == before
    assert make(config, patients, tmp_path).position.updates in (1, 2)


def test_checkpoints_come_at_an_interval(patients, tmp_path, monkeypatch):
    config = changed(train={"checkpoint_minutes": 1e-9})
    saved = []
    monkeypatch.setattr(Trainer, "save", lambda self: saved.append(self.position.updates))
    make(config, patients, tmp_path).run()
    assert saved[:3] == [1, 2, 3]


def test_it_learns_an_easy_cohort(patients, tmp_path):
    rates = {"lr_backbone": 5e-3, "lr_heads": 5e-3, "seed": 3}
    config = changed(train={"phase1_epochs": 3, "phase2_epochs": 27, "batch_size": 4, **rates})
    trainer = make(config, patients, tmp_path)
    trainer.run()
    lines = (tmp_path / METRICS).read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["losses"] for line in lines]

    def mean(part: list[dict[str, float]], name: str) -> float:
        return sum(one[name] for one in part) / len(part)

    assert mean(losses[-5:], "segmentation") < 0.9 * mean(losses[:5], "segmentation")
    assert losses[-1]["classification"] < 0.5 * losses[3]["classification"]
    assert "classification" not in losses[0]
    report = evaluate(trainer.model, trainer.dataset, range(8))
    assert report["auc"] == 1.0


def test_export_is_the_inference_part(finished):
    path = finished.folder.path / "fold_1.safetensors"
    assert not [name for name in load_file(path) if name.startswith(("dpt.", "projector."))]
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["trained_on"] == "phantom"
    assert record["model"]["dpt"] is None
    assert len(record["patients"]) == 6
    assert not set(record["patients"]) & set(record["held_out_patients"])
    again = load_exported(path)
    indices = range(len(finished.dataset))
    before = margins(finished.model, finished.dataset, indices)
    assert (before == margins(again, finished.dataset, indices)).all()


def test_half_precision_export(finished, tmp_path):
    path = export_fold(finished.model, tmp_path, 1, {}, precision="fp16")
    full = finished.folder.path / "fold_1.safetensors"
    assert path.stat().st_size < 0.6 * full.stat().st_size
    again = load_exported(path)
    before = expit(margins(finished.model, finished.dataset, [0, 1]))
    assert expit(margins(again, finished.dataset, [0, 1])) == pytest.approx(before, abs=1e-2)


def test_weights_that_are_no_numbers_are_not_exported(config, tmp_path):
    model = build_system(config.model)
    with torch.no_grad():
        model.classification_head.output.weight[0, 0] = 1e6  # too large for half precision
    with pytest.raises(InputError, match=r"no finite numbers \(classification_head.output.weight"):
        export_fold(model, tmp_path, 0, {}, precision="fp16")
    assert not list(tmp_path.iterdir())


def test_other_settings_are_not_mixed_into_a_training(finished, patients):
    with pytest.raises(InputError, match="different settings"):
        make(changed(train={"seed": 2}), patients, finished.folder.path)
    with pytest.raises(InputError, match="different patients"):
        make(finished.config, [*patients, make_patient(20, 1)], finished.folder.path)
    with pytest.raises(InputError, match=r"different crops \(case_000: '[0-9a-f]{16}' there, '"):
        make(finished.config, [cut_again(patients[0]), *patients[1:]], finished.folder.path)


def test_a_checkpoint_that_does_not_say_of_which_crops_is_refused(patients, config, tmp_path):
    with pytest.raises(Cancelled):
        make(config, patients, tmp_path, stop_after(2)).run()
    tensors, state = read_checkpoint(tmp_path / CHECKPOINT)
    del state["crops"]
    write_checkpoint(tmp_path / CHECKPOINT, tensors, state)
    with pytest.raises(InputError, match="different crops"):
        make(config, patients, tmp_path)


def test_digital_patients_are_not_trained_on_as_human_ones(patients, tmp_path):
    with pytest.raises(InputError, match="8 of 8 patients are digital ones"):
        make(parse_config({**tiny_settings(), "trained_on": "human"}), patients, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_process_trains_in_a_folder(patients, config, tmp_path):
    first = make(config, patients, tmp_path, stop_after(2))
    with pytest.raises(InputError, match="another training is at work in this folder"):
        make(config, patients, tmp_path)
    with pytest.raises(Cancelled):
        first.run()
    # Of a folder that refuses a training nothing stays locked.
    with pytest.raises(InputError, match="different settings"):
        make(changed(train={"seed": 2}), patients, tmp_path)
    second = make(config, patients, tmp_path)
    second.run()
    assert not (tmp_path / LOCK).exists()
    assert first.folder.path == second.folder.path


def test_damaged_checkpoint_is_named(patients, config, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"broken")
    with pytest.raises(InputError, match="not a training checkpoint"):
        make(config, patients, tmp_path)


def test_diverging_training_says_so(patients, tmp_path, monkeypatch):
    trainer = make(changed(), patients, tmp_path)
    with torch.no_grad():
        trainer.model.projector.output.weight.fill_(float("nan"))
    with pytest.raises(InputError, match=r"loss became nan.*\n.*lower"):
        trainer.run()


def test_too_little_memory_says_what_helps(patients, tmp_path, monkeypatch):
    trainer = make(changed(), patients, tmp_path)

    def step(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")

    monkeypatch.setattr(trainer.stepper, "step", step)
    with pytest.raises(InputError, match=r"Tried to allocate 2\.00 GiB\.\)\n.*micro_batch"):
        trainer.run()


def test_predictions_leave_the_mode_alone(finished):
    finished.model.train()
    margins(finished.model, finished.dataset, [0])
    assert finished.model.training
