"""One step: precision, compilation, and how its losses reach the log."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from training_helpers import make_patient, tiny_settings

from MRNLib.models.build import build_system
from MRNLib.training.acceleration import compile_blocks, resolved_precision
from MRNLib.training.config import parse_config
from MRNLib.training.dataset import CropDataset
from MRNLib.training.scalars import RunningSums, TensorBoard
from MRNLib.training.step import Stepper


def stepper(**train: object) -> Stepper:
    settings = tiny_settings()
    settings["train"].update(train)
    config = parse_config(settings)
    torch.manual_seed(0)
    model = build_system(config.model).train()
    patients = [make_patient(number, number % 2) for number in range(8)]
    windows = config.model.preprocess
    dataset = CropDataset(patients, windows, model.regions, config.augment, config.data, "cpu")
    return Stepper(config, model, dataset)


def losses(one: Stepper, steps: int = 2) -> list[dict[str, torch.Tensor]]:
    chosen = np.arange(4)
    return [one.step(chosen, number, ramp=1.0, classify=True) for number in range(steps)]


def test_auto_is_full_precision_without_a_gpu():
    assert resolved_precision("auto", torch.device("cpu")) == "fp32"
    assert resolved_precision("bf16", torch.device("cpu")) == "bf16"


def test_bf16_keeps_the_losses_and_the_weights_in_fp32():
    half, full = stepper(precision="bf16"), stepper(precision="fp32")
    for found, wanted in zip(losses(half), losses(full), strict=True):
        for name, value in found.items():
            assert value.dtype == torch.float32
            assert float(value) == pytest.approx(float(wanted[name]), rel=0.1), name
    assert {one.dtype for one in half.model.parameters()} == {torch.float32}
    assert half.contrast.bank.vectors.dtype == torch.float32


def test_compiled_blocks_keep_their_names_and_results():
    plain, compiled = stepper(), stepper()
    names = list(compiled.model.state_dict())
    # DINOv2's blocks, and the perceptrons of three global, three local and one slice block.
    assert compile_blocks(compiled.model, backend="eager") == 2 + 3 + 3 + 1
    for found, wanted in zip(losses(compiled), losses(plain), strict=True):
        assert float(found["total"]) == pytest.approx(float(wanted["total"]), rel=1e-4)
    assert list(compiled.model.state_dict()) == names


def test_a_step_leaves_the_contrastive_part_out_when_there_is_none():
    settings = tiny_settings()
    settings["loss"]["contrastive"] = 0.0
    one = stepper()
    one.config = parse_config(settings)
    one.contrast = None
    assert set(losses(one, 1)[0]) == {"total", "segmentation", "classification", "gradient_norm"}


def test_sums_go_on_where_they_were_read():
    values = [{"a": torch.tensor(0.1 * n), "b": torch.tensor(-1.0)} for n in range(7)]
    whole, device = RunningSums({}, torch.device("cpu")), torch.device("cpu")
    for one in values:
        whole.add(one)
    first = RunningSums({}, device)
    for one in values[:3]:
        first.add(one)
    second = RunningSums(first.read(), device)
    for one in values[3:]:
        second.add(one)
    assert second.read() == whole.read()
    assert whole.read()["b"] == -7.0
    assert RunningSums({}, device).read() == {}


def test_tensorboard_gets_the_numbers_where_it_is_installed(tmp_path, monkeypatch):
    written: list[tuple[str, float, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            assert (folder, purge_step) == (str(tmp_path), 4)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            pass

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    record = {"epoch": 4, "losses": {"total": 0.5}, "held_out": {"auc": math.nan}, "seconds": 2.0}
    with TensorBoard(tmp_path, wanted=True, first=3) as board:
        board.record(record)
    assert written == [("losses/total", 0.5, 4), ("seconds", 2.0, 4), ("closed", 0.0, 0)]


def test_without_tensorboard_nothing_is_missed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with TensorBoard(tmp_path, wanted=True) as board:
        board.record({"epoch": 1})
    assert not list(tmp_path.iterdir())
