"""A process that trains folds for ``Training/train_folds.py``, one after another.

``python -m MRNLib.training.fold_worker``. Its first line of standard input says which patients and
device, each further line is one training; it answers with JSON lines on standard output. When
standard input ends, because the parent asks to stop or was killed, the training is saved and the
process ends: no training goes on without somebody who waits for it.
"""

from __future__ import annotations

import _thread
import json
import os
import queue
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import torch

from MRNLib.errors import Cancelled, InputError, MrnError
from MRNLib.progress import Progress, silent
from MRNLib.training.config import TrainingConfig, parse_config
from MRNLib.training.crops import PatientCrops
from MRNLib.training.folds import TrainedFold, combined, read_fold, refuse_other_crops, weights_file
from MRNLib.training.predictions import keep_predictions

# Before each answer: libraries print to standard output too.
ANSWER = "@fold "
OUT_OF_MEMORY = (
    "the GPU ran out of memory; the training is as its last checkpoint left it\n"
    "What to do: --jobs 1, --set train.micro_batch=1, or --set model.checkpoint_activations=true"
)


@dataclass(frozen=True)
class Setup:
    """What all trainings of a worker share.

    Attributes:
        data: Crop folders that the folds are made of; several are merged.
        validation: Crop folder of patients to predict that no fold is trained on.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
        threads: Of this process.
        number: Of this worker, from 0: with several GPUs they are dealt out by it.
    """

    data: tuple[str, ...]
    validation: str | None
    device: str = "cpu"
    threads: int = 1
    number: int = 0


@dataclass(frozen=True)
class Task:
    """One training: fold ``fold`` of ``folds`` with ``settings`` below ``folder``."""

    name: str
    settings: dict[str, Any]
    folder: str
    fold: int
    folds: int


@dataclass(frozen=True)
class Patients:
    """Who is trained on and held out, and who is only predicted."""

    data: Sequence[PatientCrops]
    validation: Sequence[PatientCrops]


def load_patients(setup: Setup) -> Patients:
    """Reads the crops.

    Raises:
        InputError: As :func:`MRNLib.training.data.load_folder`, or a patient is in two folders.
    """
    from MRNLib.training.data import load_folder

    groups = [load_folder(Path(folder)) for folder in setup.data]
    validation = load_folder(Path(setup.validation)) if setup.validation else []
    data = combined(*groups)
    combined(data, validation)
    return Patients(data, validation)


def train(task: Task, patients: Patients, device: str, progress: Progress = silent) -> TrainedFold:
    """Trains, or goes on, or finds the fold finished; then predicts whom it has not seen."""
    from MRNLib.training.trainer import Trainer

    config = parse_config(task.settings)
    folder = Path(task.folder)
    weights = weights_file(folder, task.fold)
    if not _finished(task, config, patients, weights):
        trainer = Trainer(
            config,
            patients.data,
            weights.parent,
            fold=task.fold,
            folds=task.folds,
            device=device,
            progress=progress,
        )
        weights = trainer.run()
    fold = read_fold(weights)
    held_out = [one for one in patients.data if one.identifier in fold.held_out]
    keep_predictions(fold, [*held_out, *patients.validation], device)
    return fold


def _finished(task: Task, config: TrainingConfig, patients: Patients, weights: Path) -> bool:
    """Whether this very training is there to the end.

    Raises:
        InputError: Another one is, or one of other crops.
    """
    if not weights.is_file() or not weights.with_suffix(".json").is_file():
        return False
    there = read_fold(weights)
    same = parse_config(there.settings).identity() == config.identity()
    everyone = {one.identifier for one in patients.data}
    if same and there.folds == task.folds and there.trained | there.held_out == everyone:
        refuse_other_crops(there, patients.data)
        return True
    raise InputError(
        "holds a finished fold of other patients or settings",
        file=weights,
        expected="the settings and patients it was trained with",
        remedy="use another --out folder, or delete this fold",
    )


class Worker:
    """Reads tasks and answers them until standard input ends."""

    def __init__(self, source: TextIO, answers: TextIO) -> None:
        self._source = source
        self._answers = answers
        self._lines: queue.Queue[str | None] = queue.Queue()

    def run(self) -> int:
        """Returns the exit code."""
        threading.Thread(target=self._listen, daemon=True).start()
        patients: Patients | None = None
        device = "cpu"
        try:
            while (line := self._lines.get()) is not None:
                if patients is None:
                    setup = Setup(**json.loads(line))
                    device = used_device(setup)
                    patients = load_patients(setup)
                    continue
                self._answer_to(Task(**json.loads(line)), patients, device)
        except MrnError as error:
            self._say("failed", text=str(error), fatal=True)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self._say("failed", text=f"{where}{error.strerror or error}", fatal=True)
        except (KeyboardInterrupt, Cancelled):
            pass
        return 0

    def _answer_to(self, task: Task, patients: Patients, device: str) -> None:
        try:
            train(task, patients, device, self._report)
        except Cancelled:
            raise
        except torch.OutOfMemoryError:
            self._say("failed", text=OUT_OF_MEMORY, fatal=False)
        except MrnError as error:
            # A training that went astray; the next one may do better.
            self._say("failed", text=str(error), fatal=False)
        else:
            self._say("done")

    def _report(self, fraction: float, message: str) -> None:
        self._say("progress", fraction=fraction, message=message)

    def _say(self, event: str, **values: Any) -> None:
        try:
            print(ANSWER + json.dumps({"event": event, **values}), file=self._answers, flush=True)
        except BrokenPipeError:
            self._lines.put(None)  # the parent is gone; _listen finds out as well and stops us

    def _listen(self) -> None:
        for line in self._source:
            self._lines.put(line)
        self._lines.put(None)
        _thread.interrupt_main()


def used_device(setup: Setup) -> str:
    """Sets the number of threads; returns this worker's device, of several GPUs one in turn.

    Raises:
        InputError: There is no GPU to use.
    """
    from MRNLib.training.distributed import dealt_device

    torch.set_num_threads(setup.threads)
    return str(dealt_device(setup.device, setup.number))


def as_line(message: Setup | Task) -> str:
    """A message to a worker."""
    return json.dumps(asdict(message)) + "\n"


def main() -> int:
    """Runs a worker on this process's standard input and output."""
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Worker(sys.stdin, answers).run()


if __name__ == "__main__":
    sys.exit(main())
