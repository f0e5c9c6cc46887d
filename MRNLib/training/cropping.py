"""Cutting crops of many patients, each once: what is not there yet, or no longer what it was.

A crop file keeps a line about the files it was cut from (:func:`MRNLib.training.sources.source_of`)
and its margin, so that changed volumes are cut again and another margin is refused.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from MRNLib.casefiles import read_cohort
from MRNLib.errors import InputError
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import (
    crop_files,
    margins_text,
    save_crops,
    stored_margins,
    stored_source,
)
from MRNLib.training.interruption import terminated_like_interrupted
from MRNLib.training.sources import (
    case_crops,
    checked_diagnosis,
    phantom_crops,
    phantom_name,
    source_of,
)
from MRNLib.workers import in_processes
from MRNLib.writing import require_folder

CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Margins:
    """How much wider boxes are than their nuclei.

    Attributes:
        margin_mm: In plane.
        margin_slices: At each end of the slices.
    """

    margin_mm: float = MARGIN_MM
    margin_slices: int = MARGIN_SLICES

    def __post_init__(self) -> None:
        if not (math.isfinite(self.margin_mm) and self.margin_mm >= 0 and self.margin_slices >= 0):
            raise InputError(
                f"a margin of {self} cannot be cut", expected="0 mm or more, 0 slices or more"
            )

    def __str__(self) -> str:
        return margins_text(self.margin_mm, self.margin_slices)


@dataclass(frozen=True)
class Job:
    """One patient's crops: their name, how they are cut, and from what (empty: from no file)."""

    name: str
    cut: Callable[[], PatientCrops]
    source: str = ""

    def path(self, folder: Path) -> Path:
        """Of the crop file."""
        return folder / f"{self.name}.npz"


@dataclass(frozen=True)
class Remaining:
    """What is to be cut.

    Attributes:
        missing: Patients without crops.
        changed: Patients whose files or diagnosis are not those that their crops were cut from.
    """

    missing: Sequence[Job]
    changed: Sequence[Job]

    @property
    def jobs(self) -> list[Job]:
        """All of them."""
        return [*self.missing, *self.changed]


def phantom_jobs(seeds: range, margins: Margins) -> list[Job]:
    """Digital patients by seed."""
    cut = functools.partial(phantom_crops, margins=asdict(margins))
    return [Job(phantom_name(seed), functools.partial(cut, seed)) for seed in seeds]


def cohort_jobs(
    cohort: Path,
    margins: Margins,
    *,
    labels: Path | None = None,
    predicted: Path | None = None,
) -> list[Job]:
    """The patients of a folder in the challenge's layout, in the order of their crop files.

    Args:
        cohort: The folder.
        margins: Of the boxes.
        labels: Its table of diagnoses, if that is not ``labels.csv`` in it.
        predicted: Folder of predicted masks, for a second set of boxes.

    Raises:
        InputError: No cohort, or a patient without a diagnosis or a mask.
    """
    cases = read_cohort(cohort, labels)
    for case in cases:
        checked_diagnosis(case)
    cut = functools.partial(case_crops, predicted=predicted, margins=asdict(margins))
    jobs = [
        Job(case.identifier, functools.partial(cut, case), source_of(case, predicted))
        for case in cases
    ]
    return sorted(jobs, key=lambda job: job.path(cohort).name)


def remaining(jobs: Sequence[Job], folder: Path, margins: Margins) -> Remaining:
    """Which of the patients are to be cut into ``folder``.

    Crops that do not say what they were cut from, as older ones, are taken as they are.

    Raises:
        InputError: The folder holds crops of another margin, or a file that is none.
    """
    there = crop_files(folder)
    for path in there:
        if (found := Margins(*stored_margins(path))) != margins:
            raise InputError(
                f"holds crops with a margin of {found} ({path.name})",
                file=folder,
                expected=f"crops with a margin of {margins}, as are to be cut now",
                remedy="name another folder, or cut with the margin that is there: "
                f"--margin-mm {found.margin_mm:g} --margin-slices {found.margin_slices}",
            )
    names = {path.name for path in there}
    missing = [job for job in jobs if job.path(folder).name not in names]
    present = [job for job in jobs if job.source and job.path(folder).name in names]
    changed = [job for job in present if stored_source(job.path(folder)) not in ("", job.source)]
    return Remaining(missing, changed)


def cut_crops(jobs: Sequence[Job], folder: Path, workers: int = CORES) -> Generator[str]:
    """Cuts patients' crops and gives their names, as each is finished; to be closed if left early.

    Args:
        jobs: The patients.
        folder: Where the files go; made if missing. Each appears there whole.
        workers: Processes; 0 or 1: no other than this one.

    Raises:
        InputError: A patient's files cannot be used; those cut before stay.
    """
    require_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    work = functools.partial(_cut, folder=folder)
    with terminated_like_interrupted():
        if workers <= 1 or len(jobs) < 2:
            yield from map(work, jobs)
        else:
            yield from in_processes(work, jobs, min(workers, len(jobs)))


def _cut(job: Job, folder: Path) -> str:
    save_crops(job.cut(), folder, job.source)
    return job.name
