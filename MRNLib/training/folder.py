"""A training's folder: its metrics, its checkpoint, and whether it is the same training.

A killed training leaves a whole checkpoint, metrics that may be ahead of it, and perhaps half a
file under a temporary name; :meth:`TrainingFolder.load` puts all three right.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.training.checkpoint import read_checkpoint, write_checkpoint, written_or_told
from MRNLib.training.lock import LOCK, locked, released
from MRNLib.writing import replaced, require_folder

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
        identity: What makes this training this one (settings, patients or volumes, their contents);
            JSON values. A checkpoint with another identity is refused.
        writes: Whether this process writes; of several, one does, and keeps trainings of other
            commands out until :meth:`release`.

    Raises:
        InputError: The folder cannot be made or written, or another training is at work in it.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], writes: bool = True) -> None:
        self.path = path
        self.identity = dict(identity)
        self.writes = writes
        if writes:
            require_folder(path)
            path.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked() if writes else None

    def _locked(self) -> weakref.finalize[[Path, int], TrainingFolder] | None:
        path = self.path / LOCK
        descriptor = locked(path, "another training")
        return None if descriptor is None else weakref.finalize(self, released, path, descriptor)

    def release(self) -> None:
        """Lets other trainings into the folder; again, or without a lock, it does nothing."""
        if self._lock is not None:
            self._lock()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume."""
        return (self.path / CHECKPOINT).is_file()

    def save(self, tensors: Mapping[str, Tensor], position: Position) -> None:
        """Writes the checkpoint; the old one stays until the new one is whole.

        Raises:
            InputError: It cannot be written; the old one is as it was.
        """
        if self.writes:
            state = {"position": asdict(position), **self.identity}
            write_checkpoint(self.path / CHECKPOINT, tensors, state)

    def load(self) -> tuple[dict[str, Tensor], Position] | None:
        """Reads the checkpoint, if there is one, and drops metrics of epochs after it.

        Raises:
            InputError: It is damaged or another training's.
        """
        if not self.has_checkpoint:
            self._tidy(0)
            return None
        tensors, state = read_checkpoint(self.path / CHECKPOINT)
        for name, value in self.identity.items():
            if state.get(name) != value:
                raise InputError(
                    f"holds a training with different {name}{difference(state.get(name), value)}",
                    file=self.path / CHECKPOINT,
                    expected="the settings and the data it was started with",
                    remedy="use another --out folder, or delete the checkpoint to start again",
                )
        position = Position(**state["position"])
        self._tidy(position.epoch)
        return tensors, position

    def _tidy(self, epochs: int) -> None:
        """Keeps the metrics of so many epochs and removes what a kill left half written."""
        if not self.writes:
            return
        for name in (CHECKPOINT, METRICS):
            for left in self.path.glob(f".partial-*-{name}"):
                left.unlink(missing_ok=True)
        kept = [one for one in self.records() if one["epoch"] <= epochs]
        if (self.path / METRICS).is_file():
            with written_or_told(self.path / METRICS), replaced(self.path / METRICS) as partial:
                lines = "".join(json.dumps(one) + "\n" for one in kept)
                partial.write_text(lines, encoding="utf-8")

    def record(self, values: Mapping[str, Any]) -> None:
        """Adds one epoch's line to the metrics."""
        if not self.writes:
            return
        path = self.path / METRICS
        with written_or_told(path), path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The metrics so far; a line cut by a kill is left out."""
        path = self.path / METRICS
        if not path.is_file():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


def difference(stored: Any, wanted: Any, name: str = "") -> str:
    """The first setting in which two trainings differ, in brackets; empty without names.

    Args:
        stored: JSON values of the one that is there.
        wanted: Of the one that was asked for.
        name: Of the group that both are.
    """
    if not isinstance(stored, dict) or not isinstance(wanted, dict):
        return f" ({name}: {stored!r} there, {wanted!r} here)" if name else ""
    for key in {**stored, **wanted}:
        if stored.get(key) != wanted.get(key):
            return difference(stored.get(key), wanted.get(key), f"{name}.{key}".lstrip("."))
    return ""
