"""The training loop: segmentation and contrast first, then everything (paper section 4.1.2).

A training lives in one folder: ``metrics.jsonl`` (one line an epoch), ``checkpoint.safetensors``
(resumed from automatically), and at the end ``fold_N.safetensors`` with ``fold_N.json``. The model
kept is the last epoch's student; held-out figures are reported, never used to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from MRNLib.errors import Cancelled, InputError
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
from MRNLib.training.folds import check_origin
from MRNLib.training.initialisation import new_student
from MRNLib.training.interruption import StopRequest, stop_on_signals
from MRNLib.training.ledger import Ledger
from MRNLib.training.losses import linear_ramp
from MRNLib.training.optimisation import set_learning_rate
from MRNLib.training.sampling import balanced_batches
from MRNLib.training.scalars import TensorBoard
from MRNLib.training.schedule import scheduled_factor
from MRNLib.training.state import restore_state, state_tensors
from MRNLib.training.step import Stepper


class Trainer:
    """Trains one fold of any system.

    Its folder is its own from here to the end of :meth:`run`.

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
        InputError: The folder holds a training with other settings, or one is at work in it; a
            class is too small; patients are digital and ``trained_on`` says human, or the other way
            round; the settings leave nothing to learn.
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
        check_origin(config.trained_on, patients)
        self.split = FoldData.of(patients, fold, folds, config.train.seed, split)
        group.check_batch(config.train.batch_size)
        identity = {"settings": config.identity(), **self.split.identity()}
        self.folder = TrainingFolder(folder, identity, writes=group.leads)
        try:
            model = new_student(config, fold, pretrained=not self.folder.has_checkpoint)
            self.model = model.to(self.device)
            windows, regions = config.model.preprocess, model.regions
            self.dataset = CropDataset(
                patients, windows, regions, config.augment, config.data, self.device
            )
            self.stepper = Stepper(config, self.model, self.dataset, fold, group)
            self.position = Position()
            if (stored := self.folder.load()) is not None:
                tensors, self.position = stored
                restore_state(self.stepper, tensors, self.position.teacher_updates)
        except BaseException:
            self.folder.release()
            raise
        self.ledger = Ledger(self.folder, self.position, self.device)

    @property
    def epochs(self) -> int:
        """Epochs of both phases."""
        return self.config.train.phase1_epochs + self.config.train.phase2_epochs

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        return self.position.epoch >= self.epochs

    def held_out_figures(self) -> dict[str, float]:
        """What the last epoch's model made of the held-out patients; empty if it was not asked."""
        last = self.folder.records()[-1:] or [{}]
        return dict(last[0].get("held_out", {}))

    def run(self) -> Path:
        """Trains to the end, or goes on where a checkpoint stands; returns the exported file.

        Raises:
            Cancelled: A signal or the progress callback asked to stop; the state is saved.
            InputError: The loss is no number any more, or a file cannot be written; the last
                checkpoint is whole.
        """
        try:
            self._run_epochs()
            return self._export()
        finally:
            self.folder.release()

    def _run_epochs(self) -> None:
        several = self.group.size > 1
        board = TensorBoard(
            self.folder.path / "tensorboard",
            wanted=self.config.train.tensorboard and self.group.leads,
            first=self.position.epoch,
        )
        with stop_on_signals(patient=several) as stop, board:
            while not self.finished:
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
            self.ledger.add(values)
            self._report(len(batches), stop)
            if self.ledger.due(train.checkpoint_minutes):
                self.save()
        return self._finish_epoch(len(batches), classify)

    def _report(self, steps: int, stop: StopRequest) -> None:
        """Says where the training stands, and stops if anybody anywhere asked for it."""
        position, line = self.position, ""
        if self.group.leads:
            line = self.ledger.line(
                f"fold {self.split.fold} epoch {position.epoch + 1}/{self.epochs}"
            )
        done = (position.epoch + position.step / steps) / self.epochs
        try:
            self.progress(min(done, 1.0), line)
        except Cancelled as cancelled:
            stop.ask(str(cancelled))
        if self.group.any(stop.asked):
            raise Cancelled(stop.reason or "asked to stop; the training is saved")

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
            "losses": dict(sorted(self.ledger.means(steps).items())),
        }
        last = position.epoch + 1 == self.epochs
        looks = classify and ((position.epoch + 1) % every == 0 or last)
        if looks and len(self.split.held_out) and self.group.leads:
            with autocast(self.device, self.stepper.precision):
                held_out = self.split.held_out.tolist()
                record["held_out"] = evaluate(self.model, self.dataset, held_out)
        line = self.ledger.close_epoch(record)
        if last or self.ledger.due(self.config.train.checkpoint_minutes):
            self.save()
        return line

    def save(self) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole."""
        self.ledger.close_sitting()
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
