"""The paper's protocol (section 4.1.1): settings on fold 0, five folds, merged folds.

An output folder holds ``settings.yaml`` (what its folds were trained with), ``protocol.json`` (on
whom), ``fold_N/`` (:mod:`MRNLib.training.folder`, and ``predictions.json``), the report, and with a
search ``search/`` with a folder for each trial.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from MRNLib.errors import InputError
from MRNLib.progress import Progress, part, silent
from MRNLib.training.config import TrainingConfig
from MRNLib.training.data import stratified_folds
from MRNLib.training.distributed import own_device
from MRNLib.training.fold_report import Row, fold_rows, write_report, write_search
from MRNLib.training.fold_worker import Patients, Setup, Task, load_patients
from MRNLib.training.folder import CHECKPOINT
from MRNLib.training.folds import check_origin, read_fold, read_folds, weights_file
from MRNLib.training.predictions import ensemble, read_predictions
from MRNLib.training.search import Trial, best, grid, trial_folder
from MRNLib.training.workforce import Workforce
from MRNLib.writing import replaced, replaced_folder

SETTINGS = "settings.yaml"
PROTOCOL = "protocol.json"

# Settings with some overrides, as :func:`MRNLib.training.config.load_config` makes them.
Configured = Callable[[Sequence[str]], TrainingConfig]


@dataclass(frozen=True)
class Protocol:
    """On whom the folds of a folder are trained.

    Attributes:
        data: Crop folders; two of them are train and validation, merged.
        validation: Crop folder of patients that no fold is trained on.
        folds: Number of folds.
    """

    data: tuple[str, ...]
    validation: str | None
    folds: int

    @property
    def merged(self) -> bool:
        """Whether validation is among the patients trained on."""
        return len(self.data) > 1


def read_protocol(folder: Path) -> Protocol:
    """What ``train_folds.py`` wrote into its output folder.

    Raises:
        InputError: It did not.
    """
    path = folder / PROTOCOL
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Protocol(tuple(stored["data"]), stored["validation"], int(stored["folds"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "this is no folder of trained folds",
            file=path,
            expected="the --out folder of Training/train_folds.py",
        ) from error


@dataclass(frozen=True)
class FoldTraining:
    """One command's work.

    Attributes:
        protocol: On whom.
        out: Output folder.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
        jobs: Trainings at a time.
        threads: Of each.
        draws: Bootstrap draws of intervals.
    """

    protocol: Protocol
    out: Path
    device: str = "auto"
    jobs: int = 1
    threads: int = 1
    draws: int = 1000

    def run(
        self,
        configured: Configured,
        tries: Sequence[str] = (),
        progress: Progress = silent,
        say: Callable[[str], None] = lambda line: None,
    ) -> list[Row]:
        """Searches if asked to, trains all folds, and writes the report.

        Args:
            configured: The settings.
            tries: What to search over (:func:`MRNLib.training.search.grid`); needs validation.
            progress: Of the whole command.
            say: Told what has been decided and written.

        Raises:
            InputError: Settings, patients or an earlier training in ``out`` do not allow it.
        """
        points = grid(tries) if tries else []
        for point in points:
            configured(point)  # a mistake in the last value is told before the first training
        own_device(self.device)
        setup = Setup(self.protocol.data, self.protocol.validation, self.device, self.threads)
        patients = load_patients(setup)
        config = configured(())
        check_origin(config.trained_on, [*patients.data, *patients.validation])
        stratified_folds(patients.data, self.protocol.folds, config.train.seed)
        share = len(points) / (len(points) + self.protocol.folds)
        with Workforce(setup, self.jobs, self.out) as workforce:
            chosen: tuple[str, ...] = ()
            if points:
                before = part(progress, 0.0, share)
                chosen = self._search(workforce, configured, points, patients, before)
                say(f"chosen: {' '.join(chosen)} ({self.out / 'search' / 'search.md'})")
            config = configured(chosen)
            tasks = [
                Task(f"fold {n}", config.as_json(), str(self.out), n, self.protocol.folds)
                for n in range(self.protocol.folds)
            ]
            workforce.run(tasks, part(progress, share, 1.0))
        # Only now: folds of other settings would have been refused, and keep theirs.
        self._write_settings(config, chosen)
        return self._report(config, patients, say)

    def _search(
        self,
        workforce: Workforce,
        configured: Configured,
        points: Sequence[tuple[str, ...]],
        patients: Patients,
        progress: Progress,
    ) -> tuple[str, ...]:
        """Trains fold 0 at each point, writes the table, and returns the winner's overrides."""
        folder = self.out / "search"
        tasks = {
            point: Task(
                " ".join(point),
                configured(point).as_json(),
                str(folder / trial_folder(point)),
                0,
                self.protocol.folds,
            )
            for point in points
        }
        failures = workforce.run(list(tasks.values()), progress, tolerant=True)
        names = [one.identifier for one in patients.validation]
        trials = []
        for point, task in tasks.items():
            if task.name in failures:
                trials.append(Trial(point, failure=failures[task.name]))
                continue
            fold = read_fold(weights_file(Path(task.folder), 0))
            votes = ensemble([read_predictions(fold)], names, tta=False)
            trials.append(Trial(point, votes, seconds=fold.seconds))
        winner = best(trials)
        facts = self._facts(configured(()), patients)
        write_search(folder, trials, winner, facts, self.draws)
        self._reuse(Path(tasks[winner.overrides].folder) / "fold_0")
        return winner.overrides

    def _reuse(self, trained: Path) -> None:
        """The winner's training is fold 0 of the folds to come."""
        if not (self.out / "fold_0").exists():
            with replaced_folder(self.out / "fold_0") as folder:
                kept = shutil.ignore_patterns(CHECKPOINT, ".*")
                shutil.copytree(trained, folder, ignore=kept, dirs_exist_ok=True)

    def _write_settings(self, config: TrainingConfig, chosen: Sequence[str]) -> None:
        note = "# Settings of the folds in this folder, written by Training/train_folds.py.\n"
        if chosen:
            note += f"# Chosen on validation (search/search.md): {' '.join(chosen)}\n"
        text = yaml.safe_dump(config.as_json(), sort_keys=False)
        with replaced(self.out / SETTINGS) as partial:
            partial.write_text(note + text, encoding="utf-8")
        with replaced(self.out / PROTOCOL) as partial:
            partial.write_text(json.dumps(asdict(self.protocol), indent=1) + "\n", encoding="utf-8")

    def _report(
        self, config: TrainingConfig, patients: Patients, say: Callable[[str], None]
    ) -> list[Row]:
        folds = read_folds(self.out, self.protocol.folds)
        rows = fold_rows(folds, [one.identifier for one in patients.validation], self.draws)
        minutes = sum(one.seconds for one in folds) / 60
        facts = {
            **self._facts(config, patients),
            "device": own_device(self.device).type,
            "minutes": minutes,
        }
        say(f"written: {write_report(self.out, rows, facts)}")
        return rows

    def _facts(self, config: TrainingConfig, patients: Patients) -> dict[str, Any]:
        number = len(patients.data)
        merged = ", train and validation merged" if self.protocol.merged else ""
        return {
            "trained_on": config.trained_on,
            "folds": self.protocol.folds,
            "seed": config.train.seed,
            "patients": f"{number} patients{merged}",
            "validation": len(patients.validation),
        }
