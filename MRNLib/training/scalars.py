"""Losses while they are still on the device, and the metrics for TensorBoard where it is there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor


class RunningSums:
    """Sums of named scalars over an epoch's steps, kept on the device until they are read.

    Args:
        start: Sums of steps before, as :meth:`read` gave them.
        device: Where the scalars are.
    """

    def __init__(self, start: Mapping[str, float], device: torch.device) -> None:
        self._names = list(start)
        self._sums = torch.tensor(list(start.values()), dtype=torch.float64, device=device)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Adds one step's scalars, the same names in every step."""
        row = torch.stack([one.detach().double() for one in values.values()])
        if not self._names:
            self._names, self._sums = list(values), torch.zeros_like(row)
        self._sums += row

    def read(self) -> dict[str, float]:
        """The sums as numbers; waits for the device."""
        return dict(zip(self._names, self._sums.tolist(), strict=True))


class TensorBoard:
    """Writes an epoch's record as scalars; does nothing where TensorBoard is not installed.

    Args:
        folder: Where the event files go.
        wanted: Whether anything is to be written.
        first: Epochs done before; what a killed run wrote of later ones is hidden.
    """

    def __init__(self, folder: Path, *, wanted: bool, first: int = 0) -> None:
        self._writer: Any = None
        if not wanted:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder), purge_step=first + 1)

    def record(self, values: Mapping[str, Any]) -> None:
        """One epoch's record: its numbers, those in groups as ``group/name``."""
        if self._writer is None:
            return
        for name, value in _flat(values).items():
            self._writer.add_scalar(name, value, values["epoch"])
        self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and name != "epoch" and math.isfinite(value):
            found[f"{prefix}{name}"] = float(value)
    return found
