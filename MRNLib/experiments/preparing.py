"""An experiment's two groups as crops, where one or both of them are given as volumes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from MRNLib.errors import InputError
from MRNLib.experiments.cohorts import EVALUATION, TRAIN
from MRNLib.training.cohortcrops import CROPS, is_cohort, refuse_others
from MRNLib.training.data import crop_files
from MRNLib.writing import replaced

EITHER = "crops of prepare_crops.py, or a cohort of volumes with masks and labels.csv"


def prepared_data(folder: Path, out: Path, cut: Callable[[Path, Path], object]) -> Path:
    """The folder whose ``train`` and ``evaluation`` hold crops: ``folder``, or one in ``out``.

    Args:
        folder: Holds ``train`` and ``evaluation``, each of them crops or a cohort.
        out: Output folder of the experiment.
        cut: Cuts a cohort into a folder (:func:`MRNLib.training.cohortcrops.crops_of`).

    Raises:
        InputError: One of the two is neither, or a cohort cannot be used.
    """
    parts = (TRAIN, EVALUATION)
    volumes = [name for name in parts if is_cohort(folder / name)]
    lacking = [name for name in parts if name not in volumes and not crop_files(folder / name)]
    if lacking:
        raise _lacking(folder, lacking)
    if not volumes:
        return folder
    target = out / CROPS
    for name in parts:
        if name in volumes:
            cut(folder / name, target / name)
        else:
            _copy(folder / name, target / name)
    return target


def _lacking(folder: Path, parts: list[str]) -> InputError:
    """What to say when ``folder`` is not what was asked for."""
    one = is_cohort(folder)
    return InputError(
        "this is one cohort, which does not say whom to train on and whom to evaluate on"
        if one
        else "no crops found, nor volumes",
        file=folder if one else folder / parts[0],
        expected=f"a folder with {TRAIN} and {EVALUATION} in it, each {EITHER}",
        remedy=f"put the patients to train on into {TRAIN}, others into {EVALUATION}, each with "
        "its labels.csv, and name the folder that holds both",
    )


def _copy(source: Path, target: Path) -> None:
    """Crops beside those that were cut, so that one folder holds both groups."""
    files = crop_files(source)
    refuse_others([path.name for path in files], source, target)
    target.mkdir(parents=True, exist_ok=True)
    for path in files:
        there = target / path.name
        if not there.is_file() or _changed(path, there):
            with replaced(there) as partial:
                shutil.copy2(path, partial)


def _changed(first: Path, second: Path) -> bool:
    one, other = first.stat(), second.stat()
    return (one.st_size, one.st_mtime_ns) != (other.st_size, other.st_mtime_ns)
