"""A training's folder: its metrics, its checkpoint, and whether it is the same training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.training.checkpoint import read_checkpoint, write_checkpoint
from MRNLib.writing import replaced

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.jsonl"


@dataclass
class Position:
    """Where a training stands; JSON values only.

    Attributes:
        epoch: Finished epochs.
        step: Finished batches of the current epoch.
        updates: Optimizer steps so far.
        teacher_updates: Teacher steps so far.
        seconds: Time spent so far, over all sittings.
        sums: Losses added up over the current epoch's finished batches.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    teacher_updates: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)


class TrainingFolder:
    """Metrics (one JSON line an epoch) and the checkpoint of one training.

    Args:
        path: The folder; made if missing.
        identity: What makes this training this one (settings, fold, patients); JSON values. A
            checkpoint with another identity is refused.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity = dict(identity)
        path.mkdir(parents=True, exist_ok=True)

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume."""
        return (self.path / CHECKPOINT).is_file()

    def save(self, tensors: Mapping[str, Tensor], position: Position) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole."""
        state = {"position": asdict(position), **self.identity}
        write_checkpoint(self.path / CHECKPOINT, tensors, state)

    def load(self) -> tuple[dict[str, Tensor], Position]:
        """Reads the checkpoint and drops metrics of epochs after it.

        Raises:
            InputError: It is damaged or another training's.
        """
        tensors, state = read_checkpoint(self.path / CHECKPOINT)
        for name, value in self.identity.items():
            if state.get(name) != value:
                raise InputError(
                    f"holds a training with different {name}",
                    file=self.path / CHECKPOINT,
                    expected="the settings, patients and fold it was started with",
                    remedy="use another --out folder, or delete the checkpoint to start again",
                )
        position = Position(**state["position"])
        kept = [one for one in self.records() if one["epoch"] <= position.epoch]
        with replaced(self.path / METRICS) as partial:
            partial.write_text("".join(json.dumps(one) + "\n" for one in kept), encoding="utf-8")
        return tensors, position

    def record(self, values: Mapping[str, Any]) -> None:
        """Adds one epoch's line to the metrics."""
        with (self.path / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The metrics so far; a line cut by a kill is left out."""
        path = self.path / METRICS
        if not path.is_file():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]
