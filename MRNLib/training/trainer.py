"""The training loop: segmentation and contrast first, then everything (paper section 4.1.2).

A training lives in one folder: ``metrics.jsonl`` (one line an epoch), ``checkpoint.safetensors``
(resumed from automatically), and at the end ``fold_N.safetensors`` with ``fold_N.json``. The model
kept is the last epoch's student; held-out figures are reported, never used to choose.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from MRNLib.errors import Cancelled, InputError
from MRNLib.models.build import build_system
from MRNLib.models.system import System
from MRNLib.progress import Progress, silent
from MRNLib.training.acceleration import autocast
from MRNLib.training.config import TrainingConfig
from MRNLib.training.crops import PatientCrops
from MRNLib.training.dataset import CropDataset
from MRNLib.training.distributed import ALONE, Group
from MRNLib.training.evaluation import evaluate
from MRNLib.training.export import export_fold
from MRNLib.training.folddata import FoldData, Split
from MRNLib.training.folder import Position, TrainingFolder
from MRNLib.training.initialisation import start_from_scratch
from MRNLib.training.interruption import StopRequest, stop_on_signals
from MRNLib.training.losses import linear_ramp
from MRNLib.training.objective import Contrast
from MRNLib.training.optimisation import set_learning_rate
from MRNLib.training.sampling import balanced_batches
from MRNLib.training.scalars import RunningSums, TensorBoard
from MRNLib.training.schedule import scheduled_factor
from MRNLib.training.state import restore_state, state_tensors
from MRNLib.training.step import Stepper

# Reading a loss waits for a GPU's queued work; on a CPU it is there already.
GPU_READ_SECONDS = 1.0


class Trainer:
    """Trains one fold of any system.

    Args:
        config: The settings.
        patients: All patients' crops; this fold's part is taken here.
        folder: The training's folder; a checkpoint in it is resumed.
        fold: Which fold is held out.
        folds: Number of folds.
        device: Where to compute.
        progress: Called with the fraction done and a line; may raise ``Cancelled``, which saves
            first.
        split: (training, held-out) positions in ``patients`` instead of the fold's own; nobody
            need be held out.
        group: The processes that train together.

    Raises:
        InputError: The folder holds a training with other settings, a class is too small, or the
            settings leave nothing to learn.
    """

    def __init__(
        self,
        config: TrainingConfig,
        patients: Sequence[PatientCrops],
        folder: Path,
        *,
        fold: int = 0,
        folds: int = 5,
        device: str | torch.device = "cpu",
        progress: Progress = silent,
        split: Split | None = None,
        group: Group = ALONE,
    ) -> None:
        self.config = config
        self.progress = progress
        self.group = group
        self.device = torch.device(device)
        self.split = FoldData.of(patients, fold, folds, config.train.seed, split)
        group.check_batch(config.train.batch_size)
        identity = {"settings": config.identity(), **self.split.identity()}
        self.folder = TrainingFolder(folder, identity, writes=group.leads)
        self.model = self._build()
        self.dataset = CropDataset(
            patients,
            config.model.preprocess,
            self.model.regions,
            config.augment,
            config.data,
            self.device,
        )
        self.stepper = Stepper(config, self.model, self.dataset, fold, group)
        self.position = Position()
        self._saved_at = self._started_at = time.monotonic()
        self._line, self._read_at = "", -math.inf
        if (stored := self.folder.load()) is not None:
            tensors, self.position = stored
            restore_state(self.stepper, tensors, self.position.teacher_updates)
        self._sums = RunningSums(self.position.sums, self.device)

    @property
    def epochs(self) -> int:
        """Epochs of both phases."""
        return self.config.train.phase1_epochs + self.config.train.phase2_epochs

    def run(self) -> Path:
        """Trains to the end, or goes on where a checkpoint stands; returns the exported file.

        Raises:
            Cancelled: A signal or the progress callback asked to stop; the state is saved.
            InputError: The loss is no number any more, or a file cannot be written; the last
                checkpoint is whole.
        """
        several = self.group.size > 1
        board = TensorBoard(
            self.folder.path / "tensorboard",
            wanted=self.config.train.tensorboard and self.group.leads,
            first=self.position.epoch,
        )
        with stop_on_signals(patient=several) as stop, board:
            while self.position.epoch < self.epochs:
                try:
                    record = self._run_epoch(stop)
                except Cancelled:
                    self.save()
                    raise
                except torch.OutOfMemoryError as error:
                    if not self.group.leads:
                        raise  # only the first process speaks, and it may have had enough
                    raise _too_large(error) from error
                board.record(record)
        return self._export()

    def _build(self) -> System:
        """The student, the same in every process; a checkpoint brings its own weights."""
        config, train = self.config, self.config.train
        torch.manual_seed(train.seed * 1000 + self.split.fold)
        model = build_system(config.model, pretrained=not self.folder.has_checkpoint)
        if train.from_scratch:
            start_from_scratch(model)
        segments = config.loss.segmentation > 0 and getattr(model, "dpt", None) is not None
        if train.phase1_epochs and not segments and not Contrast.wanted(model, config.loss):
            raise InputError(
                "phase 1 has nothing to learn: no segmentation and no contrastive loss",
                remedy="set train.phase1_epochs=0",
            )
        return model.to(self.device)

    def _run_epoch(self, stop: StopRequest) -> dict[str, Any]:
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
            factor = scheduled_factor(train, position.epoch, position.step, len(batches))
            set_learning_rate(self.stepper.optimizer, factor)
            ramp = linear_ramp(position.updates, round(self.config.loss.ramp_epochs * len(batches)))
            chosen = self.split.training[batches[position.step]]
            values = self.stepper.step(chosen, position.updates, ramp=ramp, classify=classify)
            self._sums.add(values)
            position.step += 1
            position.updates += 1
            self._report(len(batches), stop)
            if time.monotonic() - self._saved_at > train.checkpoint_minutes * 60:
                self.save()
        return self._finish_epoch(len(batches), classify)

    def _report(self, steps: int, stop: StopRequest) -> None:
        """Says where the training stands, and stops if anybody anywhere asked for it."""
        now, position = time.monotonic(), self.position
        wait = GPU_READ_SECONDS if self.device.type == "cuda" else 0.0
        if self.group.leads and now - self._read_at >= wait:
            means = {name: one / position.step for name, one in self._read_sums().items()}
            losses = " ".join(f"{name[:3]} {value:.3f}" for name, value in means.items())
            self._line = f"fold {self.split.fold} epoch {position.epoch + 1}/{self.epochs} {losses}"
            self._read_at = now
        done = (position.epoch + position.step / steps) / self.epochs
        try:
            self.progress(min(done, 1.0), self._line)
        except Cancelled as cancelled:
            stop.ask(str(cancelled))
        if self.group.any(stop.asked):
            raise Cancelled(stop.reason or "asked to stop; the training is saved")

    def _read_sums(self) -> dict[str, float]:
        sums = self._sums.read()
        wrong = next((name for name, one in sums.items() if not math.isfinite(one)), None)
        if wrong is not None:
            what = "gradient" if wrong == "gradient_norm" else "loss"
            raise InputError(
                f"the {what} became {sums[wrong]} in epoch {self.position.epoch + 1}",
                file=self.folder.path,
                remedy="lower train.lr_backbone and train.lr_heads, or raise loss.temperature",
            )
        return sums

    def _finish_epoch(self, steps: int, classify: bool) -> dict[str, Any]:
        position, every = self.position, self.config.train.validate_every
        # One that goes on between an epoch's last step and this line has not set a rate yet.
        factor = scheduled_factor(self.config.train, position.epoch, steps - 1, steps)
        set_learning_rate(self.stepper.optimizer, factor)
        record: dict[str, Any] = {
            "epoch": position.epoch + 1,
            "phase": 2 if classify else 1,
            "updates": position.updates,
            "learning_rate": self.stepper.optimizer.param_groups[0]["lr"],
            "losses": {name: one / steps for name, one in sorted(self._read_sums().items())},
        }
        last = position.epoch + 1 == self.epochs
        looks = classify and ((position.epoch + 1) % every == 0 or last)
        if looks and len(self.split.held_out) and self.group.leads:
            with autocast(self.device, self.stepper.precision):
                held_out = self.split.held_out.tolist()
                record["held_out"] = evaluate(self.model, self.dataset, held_out)
        now = time.monotonic()
        record["seconds"] = round(position.seconds + now - self._started_at, 1)
        self.folder.record(record)
        position.epoch, position.step, position.sums = position.epoch + 1, 0, {}
        self._sums = RunningSums({}, self.device)
        if last or now - self._saved_at > self.config.train.checkpoint_minutes * 60:
            self.save()
        return record

    def save(self) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole."""
        now = time.monotonic()
        self.position.sums = self._read_sums()
        self.position.seconds += now - self._started_at
        self._started_at = self._saved_at = now
        if self.stepper.contrast is not None:
            self.position.teacher_updates = self.stepper.contrast.teacher.updates
        if self.group.leads:
            self.folder.save(state_tensors(self.stepper), self.position)

    def _export(self) -> Path:
        last = self.folder.records()[-1:] or [{}]
        record = {
            "fold": self.split.fold,
            "folds": self.split.folds,
            "trained_on": self.config.trained_on,
            "settings": self.config.as_json(),
            "precision": self.stepper.precision,
            "patients": self.split.trained_names,
            "held_out_patients": self.split.held_out_names,
            "crops": self.split.crops_by_name,
            "last_epoch": last[0],
        }
        if not self.group.leads:
            return self.folder.path / f"fold_{self.split.fold}.safetensors"
        return export_fold(self.model, self.folder.path, self.split.fold, record)


def _too_large(error: Exception) -> InputError:
    return InputError(
        f"a step does not fit the device's memory ({str(error).splitlines()[0]})",
        expected="memory for train.micro_batch patients, or the whole batch without it",
        remedy="set train.micro_batch=1 or 2, or model.checkpoint_activations=true; the same "
        "command goes on from the last checkpoint with the former",
    )
