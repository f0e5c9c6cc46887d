"""What a training has done so far: its place, losses and time, and what of that is written down."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.training.folder import Position, TrainingFolder
from MRNLib.training.scalars import RunningSums

# Reading a loss waits for a GPU's queued work; on a CPU it is there already.
GPU_READ_SECONDS = 1.0


class Ledger:
    """Keeps the position and the current epoch's losses, and puts them into the folder.

    Args:
        folder: Where to; one of several processes writes.
        position: Where the training stands; kept up to date here.
        device: Where the losses are.
        gentler: What an error tells the user to do when a loss is no number any more.
    """

    def __init__(
        self, folder: TrainingFolder, position: Position, device: torch.device, gentler: str
    ) -> None:
        self.folder = folder
        self.position = position
        self.device = device
        self._gentler = gentler
        self._sums = RunningSums(position.sums, device)
        self._saved_at = self._started_at = time.monotonic()
        self._said, self._said_at = "", -math.inf

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Notes a step with its scalars."""
        self._sums.add(values)
        self.position.step += 1
        self.position.updates += 1

    def line(self, before: str) -> str:
        """``before`` and the mean losses of the epoch so far; of a GPU one of a moment ago.

        Raises:
            InputError: As :meth:`means`.
        """
        now = time.monotonic()
        wait = GPU_READ_SECONDS if self.device.type == "cuda" else 0.0
        if now - self._said_at >= wait:
            means = self.means(self.position.step)
            losses = " ".join(f"{name[:3]} {value:.3f}" for name, value in means.items())
            self._said, self._said_at = f"{before} {losses}", now
        return self._said

    def means(self, steps: int) -> dict[str, float]:
        """The epoch's losses over its steps.

        Raises:
            InputError: One is no number any more.
        """
        return {name: one / steps for name, one in self._read().items()}

    def close_epoch(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Writes the epoch's line with the time so far, and begins the next; returns the line."""
        seconds = self.position.seconds + time.monotonic() - self._started_at
        line = {**record, "seconds": round(seconds, 1)}
        self.folder.record(line)
        position = self.position
        position.epoch, position.step, position.sums = position.epoch + 1, 0, {}
        self._sums = RunningSums({}, self.device)
        return line

    def due(self, minutes: float) -> bool:
        """Whether the last checkpoint was that long ago."""
        return time.monotonic() - self._saved_at > minutes * 60

    def close_sitting(self) -> None:
        """Brings the position up to date, for a checkpoint of this moment.

        Raises:
            InputError: As :meth:`means`.
        """
        now = time.monotonic()
        self.position.sums = self._read()
        self.position.seconds += now - self._started_at
        self._started_at = self._saved_at = now

    def _read(self) -> dict[str, float]:
        sums = self._sums.read()
        wrong = next((name for name, one in sums.items() if not math.isfinite(one)), None)
        if wrong is not None:
            what = "gradient" if wrong == "gradient_norm" else "loss"
            raise InputError(
                f"the {what} became {sums[wrong]} in epoch {self.position.epoch + 1}",
                file=self.folder.path,
                remedy=self._gentler,
            )
        return sums
