"""What is known of a cell: one JSON file, written when all of it is there.

A file says what it is the result of (settings, patients, fold), so that a result of other settings
or other patients is never taken for this one's.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from MRNLib.errors import InputError
from MRNLib.experiments.cells import FOLDS, Cell
from MRNLib.experiments.cohorts import ExperimentData
from MRNLib.writing import replaced

Weights = Literal["random", "published", "none"]
State = Literal["finished", "unfinished", "other"]


@dataclass(frozen=True)
class Job:
    """A cell with all that a process needs to run it, wherever it is.

    Attributes:
        cell: What to run.
        settings: A network's settings, JSON values.
        own: Those of them that make the training this one (``TrainingConfig.identity``).
        data: The patients.
        out: Absolute folder of the experiment, seen by all processes under this path.
        device: Where to compute.
        threads: Of each process.
    """

    cell: Cell
    settings: dict[str, Any]
    own: dict[str, Any]
    data: ExperimentData
    out: Path
    device: str = "cpu"
    threads: int = 1

    @property
    def key(self) -> str:
        """The cell's."""
        return self.cell.key

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this cell's result this one's; JSON values."""
        identity = {
            "cell": self.cell.key,
            "settings": self.own,
            "fold": [self.cell.fold, FOLDS],
            "patients": self.data.fingerprints(),
        }
        return json.loads(json.dumps(identity))

    @property
    def result_file(self) -> Path:
        """Where the result stands."""
        return self.out / "cells" / f"{self.cell.key}.json"

    @property
    def folder(self) -> Path:
        """Where the training works."""
        return self.out / "trainings" / self.cell.key

    @property
    def error_file(self) -> Path:
        """Where an unexpected error is written whole."""
        return self.out / "cells" / f"{self.cell.key}.error.txt"


@dataclass(frozen=True)
class CellResult:
    """A finished cell.

    Attributes:
        identity: :attr:`Job.identity`.
        identifiers: The evaluation patients.
        labels: Their diagnoses, 0 HC and 1 PD.
        margins: Logit of PD over HC of each patient, by variant: ``""``, a masking such as
            ``NM+QSM1``, a radiomics model or an oracle.
        weights: ``random`` where the paper has published weights and this run did not.
        seconds: Time it took, over all sittings.
        device: Where it ran.
        versions: Of what computed it.
    """

    identity: dict[str, Any]
    identifiers: list[str]
    labels: list[int]
    margins: dict[str, list[float]]
    weights: Weights
    seconds: float
    device: str
    versions: dict[str, str]

    def scores(self, variant: str = "") -> NDArray[np.float64]:
        """Margins of one variant, ``[patients]``.

        Raises:
            InputError: The cell has no such predictions.
        """
        if variant not in self.margins:
            raise InputError(f"{self.identity['cell']} has no predictions '{variant}'")
        return np.asarray(self.margins[variant], np.float64)


def write_result(job: Job, result: CellResult) -> None:
    """Writes the result beside its place and moves it there."""
    job.result_file.parent.mkdir(parents=True, exist_ok=True)
    with replaced(job.result_file) as partial:
        partial.write_text(json.dumps(dataclasses.asdict(result)) + "\n", encoding="utf-8")


def read_result(path: Path) -> CellResult:
    """Reads what :func:`write_result` wrote.

    Raises:
        InputError: It is no result.
    """
    try:
        return CellResult(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            "is not the result of a cell", file=path, remedy="delete it to run the cell again"
        ) from error


def state(job: Job) -> tuple[State, list[str]]:
    """Whether a cell is finished, and if its files are another one's, in what they differ."""
    if job.result_file.is_file():
        found, whole = read_result(job.result_file).identity, True
    elif identity_file(job).is_file():
        try:
            found, whole = json.loads(identity_file(job).read_text(encoding="utf-8")), False
        except (OSError, ValueError):
            return "other", ["its identity cannot be read"]
    else:
        return "unfinished", []
    different = differences(found, job.identity)
    if different:
        return "other", different
    return ("finished" if whole else "unfinished"), []


def identity_file(job: Job) -> Path:
    """Says what an unfinished training is."""
    return job.folder / "cell.json"


def begin(job: Job) -> None:
    """Notes which cell the training folder belongs to."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with replaced(identity_file(job)) as partial:
        partial.write_text(json.dumps(job.identity, indent=2) + "\n", encoding="utf-8")


def tidy(job: Job) -> None:
    """Removes what a finished cell is not asked for again: its checkpoint, whole or half-written.

    Gigabytes at the paper's size; the exported weights stay.
    """
    from MRNLib.training.folder import CHECKPOINT

    for left in (job.folder / CHECKPOINT, *job.folder.glob(f".partial-*-{CHECKPOINT}")):
        left.unlink(missing_ok=True)


def forget(job: Job) -> None:
    """Removes whatever is there of a cell."""
    job.result_file.unlink(missing_ok=True)
    job.error_file.unlink(missing_ok=True)
    shutil.rmtree(job.folder, ignore_errors=True)


def differences(found: Any, wanted: Any, prefix: str = "") -> list[str]:
    """Where two JSON values differ, as ``train.seed: 1 there, 2 asked for``."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        lines: list[str] = []
        for key in sorted({*found, *wanted}):
            below = f"{prefix}.{key}" if prefix else str(key)
            lines += differences(found.get(key), wanted.get(key), below)
        return lines
    if found == wanted:
        return []
    name = prefix.removeprefix("settings.")
    if name.startswith("patients."):
        return [f"other patients in {name.removeprefix('patients.')}"]
    return [f"{name}: {json.dumps(found)} there, {json.dumps(wanted)} asked for"]
