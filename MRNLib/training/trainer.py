"""The training loop: segmentation and contrast first, then everything (paper section 4.1.2).

A training lives in one folder: ``metrics.jsonl`` (one line an epoch), ``checkpoint.safetensors``
(resumed from automatically), and at the end ``fold_N.safetensors`` with ``fold_N.json``. The model
kept is the last epoch's student; held-out figures are reported, never used to choose.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from MRNLib.errors import Cancelled, InputError
from MRNLib.models.mrn import build
from MRNLib.progress import Progress, silent
from MRNLib.training import checkpoint as disk
from MRNLib.training.config import TrainingConfig
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import stratified_folds
from MRNLib.training.dataset import (
    CropDataset,
    Sample,
    balanced_batches,
    generator_for,
)
from MRNLib.training.evaluation import evaluate
from MRNLib.training.export import export_fold
from MRNLib.training.folder import Position, TrainingFolder
from MRNLib.training.initialisation import start_from_scratch
from MRNLib.training.interruption import StopRequest, stop_on_signals
from MRNLib.training.losses import linear_ramp
from MRNLib.training.objective import Objective
from MRNLib.training.optimisation import set_learning_rate
from MRNLib.training.schedule import configured_optimizer, scheduled_factor
from MRNLib.training.variation import make_augmentation, make_variation


@dataclass(frozen=True)
class FoldData:
    """Which fold of which patients: positions in the dataset."""

    fold: int
    folds: int
    training: np.ndarray
    held_out: np.ndarray


class Trainer:
    """Trains one fold.

    Args:
        config: The settings.
        patients: All patients' crops; this fold's part is taken here.
        folder: The training's folder; a checkpoint in it is resumed.
        fold: Which fold is held out.
        folds: Number of folds.
        device: Where to compute.
        progress: Called with the fraction done and a line; may raise ``Cancelled``, which saves
            first.

    Raises:
        InputError: The folder holds a training with other settings, or a class is too small.
    """

    def __init__(
        self,
        config: TrainingConfig,
        patients: Sequence[PatientCrops],
        folder: Path,
        *,
        fold: int = 0,
        folds: int = 5,
        device: str = "cpu",
        progress: Progress = silent,
    ) -> None:
        self.config = config
        self.progress = progress
        self.device = torch.device(device)
        self.split = FoldData(
            fold, folds, *stratified_folds(patients, folds, config.train.seed)[fold]
        )
        self.dataset = CropDataset(
            patients,
            config.model.preprocess,
            make_augmentation(config.augment),
            make_variation(config.data),
        )
        torch.manual_seed(config.train.seed * 1000 + fold)
        self.model = build(config.model)
        if config.train.from_scratch:
            start_from_scratch(self.model)
        self.model.to(self.device)
        self.objective = Objective(self.model, config.loss, config.teacher).to(self.device)
        self.objective.teacher.network.to(self.device)
        self.optimizer = configured_optimizer(self.model, config.train)
        self.position = Position()
        self.folder = TrainingFolder(folder, self._identity())
        self._saved_at = self._started_at = time.monotonic()
        if self.folder.has_checkpoint:
            self._resume()

    @property
    def epochs(self) -> int:
        """Epochs of both phases."""
        return self.config.train.phase1_epochs + self.config.train.phase2_epochs

    def run(self) -> Path:
        """Trains to the end, or goes on where a checkpoint stands; returns the exported file.

        Raises:
            Cancelled: A signal or the progress callback asked to stop; the state is saved.
        """
        with stop_on_signals() as stop:
            while self.position.epoch < self.epochs:
                try:
                    self._run_epoch(stop)
                except Cancelled:
                    self.save()
                    raise
        last = self.folder.records()[-1:] or [{}]
        record = {
            "fold": self.split.fold,
            "folds": self.split.folds,
            "trained_on": self.config.trained_on,
            "settings": self.config.as_json(),
            "patients": self._identifiers(self.split.training),
            "held_out_patients": self._identifiers(self.split.held_out),
            "last_epoch": last[0],
        }
        return export_fold(self.model, self.folder.path, self.split.fold, record)

    def _run_epoch(self, stop: StopRequest) -> None:
        position, train = self.position, self.config.train
        classify = position.epoch >= train.phase1_epochs
        batches = balanced_batches(
            self.dataset.diagnoses[self.split.training],
            train.batch_size,
            train.seed,
            position.epoch,
        )
        self.model.train()
        while position.step < len(batches):
            chosen = self.split.training[batches[position.step]]
            values = self._step(chosen, len(batches), classify)
            for name, value in values.items():
                position.sums[name] = position.sums.get(name, 0.0) + value
            position.step += 1
            done = (position.epoch + position.step / len(batches)) / max(self.epochs, 1)
            self.progress(min(done, 1.0), self._line(values))
            if stop.asked:
                raise Cancelled("asked to stop; the training is saved")
            if time.monotonic() - self._saved_at > train.checkpoint_minutes * 60:
                self.save()
        self._finish_epoch(len(batches), classify)

    def _step(self, chosen: np.ndarray, steps: int, classify: bool) -> dict[str, float]:
        samples, teacher_samples = self._batch(chosen)
        set_learning_rate(
            self.optimizer,
            scheduled_factor(self.config.train, self.position.epoch, self.position.step, steps),
        )
        ramp = linear_ramp(self.position.updates, round(self.config.loss.ramp_epochs * steps))
        with self._precision():
            parts, keys = self.objective.losses(samples, teacher_samples, classify)
        loss = parts.total(self.config.loss.segmentation, self.config.loss.contrastive * ramp)
        if not bool(torch.isfinite(loss)):
            raise InputError(
                f"the loss became {float(loss.detach())} in epoch {self.position.epoch + 1}",
                file=self.folder.path,
                remedy="lower train.lr_backbone and train.lr_heads, or raise loss.temperature",
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip)
        self.optimizer.step()
        self.objective.teacher.update(self.model)
        self.objective.bank.enqueue(keys)
        self.position.updates += 1
        return {"total": float(loss.detach()), **parts.values(), "gradient_norm": float(norm)}

    def _batch(self, chosen: np.ndarray) -> tuple[list[Sample], list[Sample]]:
        seed, updates = self.config.train.seed, self.position.updates

        def view(number: int) -> list[Sample]:
            return [
                self.dataset.varied(
                    int(index), generator_for(seed, updates, place, number, self.split.fold)
                ).to(self.device)
                for place, index in enumerate(chosen)
            ]

        samples = view(0)
        return samples, view(1) if self.config.teacher.own_view else samples

    def _precision(self) -> AbstractContextManager[Any]:
        enabled = self.config.train.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _finish_epoch(self, steps: int, classify: bool) -> None:
        position, every = self.position, self.config.train.validate_every
        record: dict[str, Any] = {
            "epoch": position.epoch + 1,
            "phase": 2 if classify else 1,
            "updates": position.updates,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "losses": {name: value / steps for name, value in sorted(position.sums.items())},
        }
        last = position.epoch + 1 == self.epochs
        if classify and ((position.epoch + 1) % every == 0 or last):
            record["held_out"] = evaluate(self.model, self.dataset, self.split.held_out.tolist())
        now = time.monotonic()
        record["seconds"] = round(position.seconds + now - self._started_at, 1)
        self.folder.record(record)
        position.epoch, position.step, position.sums = position.epoch + 1, 0, {}
        if last or now - self._saved_at > self.config.train.checkpoint_minutes * 60:
            self.save()

    def _line(self, values: dict[str, float]) -> str:
        losses = " ".join(f"{name[:3]} {value:.3f}" for name, value in values.items())
        return f"fold {self.split.fold} epoch {self.position.epoch + 1}/{self.epochs} {losses}"

    def save(self) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole."""
        now = time.monotonic()
        self.position.seconds += now - self._started_at
        self._started_at = self._saved_at = now
        self.position.teacher_updates = self.objective.teacher.updates
        self.folder.save(self._tensors(), self.position)

    def _identity(self) -> dict[str, Any]:
        return {
            "settings": self.config.as_json(),
            "fold": [self.split.fold, self.split.folds],
            "patients": self._identifiers(range(len(self.dataset))),
        }

    def _tensors(self) -> dict[str, Tensor]:
        return {
            **disk.prefixed("student", self.model.state_dict()),
            **disk.prefixed("teacher", self.objective.teacher.network.state_dict()),
            **disk.prefixed("bank", self.objective.bank.state_dict()),
            **disk.prefixed("optimizer", disk.optimizer_tensors(self.optimizer, self.model)),
            **disk.prefixed("random", disk.random_tensors()),
        }

    def _resume(self) -> None:
        tensors, self.position = self.folder.load()
        self.model.load_state_dict(disk.below("student", tensors))
        self.objective.teacher.network.load_state_dict(disk.below("teacher", tensors))
        self.objective.bank.load_state_dict(disk.below("bank", tensors))
        disk.restore_optimizer(self.optimizer, self.model, disk.below("optimizer", tensors))
        disk.restore_random(disk.below("random", tensors))
        self.objective.teacher.updates = self.position.teacher_updates

    def _identifiers(self, indices: Any) -> list[str]:
        return [self.dataset.patients[int(index)].identifier for index in indices]
