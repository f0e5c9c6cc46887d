"""Cutting crops of many patients, each once: what is not there yet, or no longer what it was.

A crop file keeps a line about the files it was cut from (:func:`MRNLib.training.sources.source_of`)
and its margin, so that changed volumes are cut again and another margin is refused.
"""

from __future__ import annotations

import contextlib
import functools
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from MRNLib.casefiles import holds_patients, read_cohort
from MRNLib.errors import InputError
from MRNLib.progress import Progress, silent
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
from MRNLib.workers import ignore_interrupts, starting_workers
from MRNLib.writing import require_folder

# Below an output folder: the crops of cohorts that a command was given.
CROPS = "crops"
CORES = os.cpu_count() or 1
# How many patients are named before the rest is counted.
NAMED = 3
_POLL_SECONDS = 0.5


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
            yield from _cut_together(work, jobs, workers)


def _cut(job: Job, folder: Path) -> str:
    save_crops(job.cut(), folder, job.source)
    return job.name


def _cut_together(work: Callable[[Job], str], jobs: Sequence[Job], workers: int) -> Generator[str]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, ignore_interrupts) as pool:
        with starting_workers():  # the pool starts a worker as it is given work
            futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            # What is under way ends within seconds; the rest is for the next call.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def is_cohort(folder: Path) -> bool:
    """Whether a folder holds patients' volumes, and no crops of them."""
    return holds_patients(folder) and not crop_files(folder)


def crops_of(
    data: Path,
    into: Path,
    *,
    limit: int | None = None,
    workers: int = CORES,
    cuts: bool = True,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """The folder of crops of ``data``: itself, or of a cohort ``into``, where they are cut first.

    Args:
        data: Crops, or a cohort in the challenge's layout with its labels.
        into: Where a cohort's crops are or go.
        limit: Cut the first so many patients only.
        workers: Processes that cut.
        cuts: Whether this process does: of several that work together one does, and the others
            wait for it.
        progress: Of the cutting.
        say: Told what is done, where there is something to do.

    Raises:
        InputError: The cohort cannot be used, or ``into`` holds crops of other patients or of
            another margin.
    """
    if not is_cohort(data):
        return data
    margins = Margins()
    everyone = cohort_jobs(data, margins)
    _refuse_others(everyone, data, into)
    jobs = everyone[:limit]
    todo = remaining(jobs, into, margins)
    if not cuts:
        while remaining(jobs, into, margins).jobs:
            time.sleep(_POLL_SECONDS)
    elif todo.jobs:
        there = len(jobs) - len(todo.jobs)
        changed = f", {len(todo.changed)} changed since" if todo.changed else ""
        say(f"{data}: {len(jobs)} patients, {there} already cut{changed}; crops in {into}")
        with contextlib.closing(cut_crops(todo.jobs, into, workers)) as names:
            for number, name in enumerate(names, start=1):
                progress(number / len(todo.jobs), f"crops {number}/{len(todo.jobs)} {name}")
    return into


def _refuse_others(jobs: Sequence[Job], data: Path, into: Path) -> None:
    """Refuses crops of patients that the cohort does not have: they would be learned from."""
    known = {job.path(into).name for job in jobs}
    others = [path.stem for path in crop_files(into) if path.name not in known]
    if others:
        named = ", ".join(others[:NAMED])
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise InputError(
            f"holds crops of patients that {data} does not have: {named}{more}",
            file=into,
            expected="crops of this cohort only",
            remedy="delete their .npz files, or name another --out folder",
        )
