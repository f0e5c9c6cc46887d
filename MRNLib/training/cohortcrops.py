"""The crops of a cohort that a command was given in the place of crops: cut below its output."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path

from MRNLib.casefiles import holds_patients
from MRNLib.errors import InputError
from MRNLib.progress import Progress, silent
from MRNLib.training.cropping import CORES, Margins, cohort_jobs, cut_crops, remaining
from MRNLib.training.data import crop_files

# Below an output folder: the crops of cohorts that a command was given.
CROPS = "crops"
# How many patients are named before the rest is counted.
NAMED = 3
_POLL_SECONDS = 0.5


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
    refuse_others([job.path(into).name for job in everyone], data, into)
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
    progress(1.0, f"crops in {into}")
    return into


def refuse_others(names: Collection[str], data: Path, into: Path) -> None:
    """Refuses crops of patients whom ``data`` does not have: they would be learned from.

    Args:
        names: Of the crop files that may be there.
        data: Where the patients come from.
        into: Folder of crops.

    Raises:
        InputError: There are others.
    """
    others = [path.stem for path in crop_files(into) if path.name not in names]
    if others:
        named = ", ".join(others[:NAMED])
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise InputError(
            f"holds crops of patients that {data} does not have: {named}{more}",
            file=into,
            expected="crops of these patients only",
            remedy="delete their .npz files, or name another --out folder",
        )
