"""A training's course, whatever is trained: epochs of steps, checkpoints, stopping, going on.

Every draw of a step comes from the step's numbers, and the checkpoint holds everything else, so
that a training which is stopped or killed ends with the weights of one that was not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from MRNLib.errors import Cancelled, InputError
from MRNLib.progress import Progress
from MRNLib.training.distributed import Group
from MRNLib.training.folder import Position, TrainingFolder
from MRNLib.training.interruption import StopRequest, stop_on_signals
from MRNLib.training.ledger import Ledger
from MRNLib.training.scalars import TensorBoard


class Loop(ABC):
    """Trains epoch after epoch in a folder; what an epoch and a step are, a subclass says.

    It releases the folder itself.

    Args:
        folder: The training's folder, already read.
        position: Where the training stands.
        device: Where the losses are.
        group: The processes that train together.
        progress: Called with the fraction done and a line; may raise ``Cancelled``, which saves
            first.
        title: What is trained, in a word or two, for the line of progress.
        epochs: How many there are.
        checkpoint_minutes: Minutes between checkpoints.
        tensorboard: Whether the metrics are written for TensorBoard too.

    Attributes:
        smaller: What an error tells the user to do when a step does not fit the memory.
        gentler: The same when a loss is no number any more.
    """

    smaller: ClassVar[str]
    gentler: ClassVar[str]

    def __init__(
        self,
        folder: TrainingFolder,
        position: Position,
        device: torch.device,
        group: Group,
        progress: Progress,
        *,
        title: str,
        epochs: int,
        checkpoint_minutes: float,
        tensorboard: bool,
    ) -> None:
        self.folder = folder
        self.position = position
        self.device = device
        self.group = group
        self.progress = progress
        self.title = title
        self.epochs = epochs
        self.checkpoint_minutes = checkpoint_minutes
        self.tensorboard = tensorboard
        self.ledger = Ledger(folder, position, device, self.gentler)

    @abstractmethod
    def begin_epoch(self) -> int:
        """Makes ready for the epoch at ``position``, perhaps in its middle; returns its steps."""

    @abstractmethod
    def take_step(self, steps: int) -> dict[str, Tensor]:
        """Takes the step at ``position`` of an epoch of so many; returns its losses."""

    @abstractmethod
    def close_epoch(self, steps: int) -> dict[str, Any]:
        """What the metrics say of the epoch that ends; JSON values."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Everything but the counters that the training goes on from."""

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        return self.position.epoch >= self.epochs

    def run_epochs(self) -> None:
        """Trains to the end, or goes on where a checkpoint stands.

        Raises:
            Cancelled: A signal or the progress callback asked to stop; the state is saved.
            InputError: The loss is no number any more, a file cannot be written, or a step does
                not fit the memory; the last checkpoint is whole.
        """
        board = TensorBoard(
            self.folder.path / "tensorboard",
            wanted=self.tensorboard and self.group.leads,
            first=self.position.epoch,
        )
        with stop_on_signals(patient=self.group.size > 1) as stop, board:
            while not self.finished:
                try:
                    record = self._run_epoch(stop)
                except Cancelled:
                    self.save()
                    raise
                except torch.OutOfMemoryError as error:
                    if not self.group.leads:
                        raise  # only the first process speaks, and it may have had enough
                    raise self._too_large(error) from error
                board.record(record)

    def save(self) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole."""
        self.ledger.close_sitting()
        if self.group.leads:
            self.folder.save(self.tensors(), self.position)

    def _run_epoch(self, stop: StopRequest) -> dict[str, Any]:
        steps = self.begin_epoch()
        while self.position.step < steps:
            self.ledger.add(self.take_step(steps))
            self._report(steps, stop)
            if self.ledger.due(self.checkpoint_minutes):
                self.save()
        record = {"epoch": self.position.epoch + 1, **self.close_epoch(steps)}
        line = self.ledger.close_epoch(record)
        if self.finished or self.ledger.due(self.checkpoint_minutes):
            self.save()
        return line

    def _report(self, steps: int, stop: StopRequest) -> None:
        """Says where the training stands, and stops if anybody anywhere asked for it."""
        position, line = self.position, ""
        if self.group.leads:
            line = self.ledger.line(f"{self.title} epoch {position.epoch + 1}/{self.epochs}")
        done = (position.epoch + position.step / steps) / self.epochs
        try:
            self.progress(min(done, 1.0), line)
        except Cancelled as cancelled:
            stop.ask(str(cancelled))
        if self.group.any(stop.asked):
            raise Cancelled(stop.reason or "asked to stop; the training is saved")

    def _too_large(self, error: Exception) -> InputError:
        return InputError(
            f"a step does not fit the device's memory ({str(error).splitlines()[0]})",
            remedy=self.smaller,
        )
