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
from torch import Tensor

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
from MRNLib.training.loop import Loop
from MRNLib.training.losses import linear_ramp
from MRNLib.training.optimisation import set_learning_rate
from MRNLib.training.sampling import balanced_batches
from MRNLib.training.schedule import scheduled_factor
from MRNLib.training.state import restore_state, state_tensors
from MRNLib.training.step import Stepper


class Trainer(Loop):
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

    smaller = (
        "set train.micro_batch=1 or 2, or model.checkpoint_activations=true; the same command goes "
        "on from the last checkpoint with the former"
    )
    gentler = "lower train.lr_backbone and train.lr_heads, or raise loss.temperature"

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
        where = torch.device(device)
        check_origin(config.trained_on, patients)
        self.split = FoldData.of(patients, fold, folds, config.train.seed, split)
        group.check_batch(config.train.batch_size)
        identity = {"settings": config.identity(), **self.split.identity()}
        own = TrainingFolder(folder, identity, writes=group.leads)
        try:
            model = new_student(config, fold, pretrained=not own.has_checkpoint)
            self.model = model.to(where)
            windows, regions = config.model.preprocess, model.regions
            self.dataset = CropDataset(
                patients, windows, regions, config.augment, config.data, where
            )
            self.stepper = Stepper(config, self.model, self.dataset, fold, group)
            position = Position()
            if (stored := own.load()) is not None:
                tensors, position = stored
                restore_state(self.stepper, tensors, position.teacher_updates)
        except BaseException:
            own.release()
            raise
        super().__init__(
            own,
            position,
            where,
            group,
            progress,
            title=f"fold {fold}",
            epochs=config.train.phase1_epochs + config.train.phase2_epochs,
            checkpoint_minutes=config.train.checkpoint_minutes,
            tensorboard=config.train.tensorboard,
        )

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
            self.run_epochs()
            return self._export()
        finally:
            self.folder.release()

    @property
    def _classifies(self) -> bool:
        return self.position.epoch >= self.config.train.phase1_epochs

    def begin_epoch(self) -> int:
        """Draws the epoch's batches; returns how many."""
        self._batches = balanced_batches(
            self.dataset.diagnoses[self.split.training],
            self.config.train.batch_size,
            self.config.train.seed,
            self.position.epoch,
        )
        self.model.train()
        return len(self._batches)

    def take_step(self, steps: int) -> dict[str, Tensor]:
        """Takes the step at the position; returns the whole batch's losses."""
        position = self.position
        factor = scheduled_factor(self.config.train, position.epoch, position.step, steps)
        set_learning_rate(self.stepper.optimizer, factor)
        ramp = linear_ramp(position.updates, round(self.config.loss.ramp_epochs * steps))
        chosen = self.split.training[self._batches[position.step]]
        return self.stepper.step(chosen, position.updates, ramp=ramp, classify=self._classifies)

    def close_epoch(self, steps: int) -> dict[str, Any]:
        """The epoch's losses, and now and then figures of the held-out patients."""
        position, train = self.position, self.config.train
        # One that goes on between an epoch's last step and this line has not set a rate yet.
        factor = scheduled_factor(train, position.epoch, steps - 1, steps)
        set_learning_rate(self.stepper.optimizer, factor)
        record: dict[str, Any] = {
            "phase": 2 if self._classifies else 1,
            "updates": position.updates,
            "learning_rate": self.stepper.optimizer.param_groups[0]["lr"],
            "losses": dict(sorted(self.ledger.means(steps).items())),
        }
        looks = self._classifies and (
            (position.epoch + 1) % train.validate_every == 0 or position.epoch + 1 == self.epochs
        )
        if looks and len(self.split.held_out) and self.group.leads:
            with autocast(self.device, self.stepper.precision):
                held_out = self.split.held_out.tolist()
                record["held_out"] = evaluate(self.model, self.dataset, held_out)
        return record

    def tensors(self) -> dict[str, Tensor]:
        """Student, optimizer, teacher and bank."""
        return state_tensors(self.stepper)

    def save(self) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole."""
        if self.stepper.contrast is not None:
            self.position.teacher_updates = self.stepper.contrast.teacher.updates
        super().save()

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
