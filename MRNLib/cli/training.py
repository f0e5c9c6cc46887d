"""Options that several of the scripts in Training/ have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from MRNLib.cli.longwork import shown_progress
from MRNLib.errors import InputError

Name = TypeVar("Name", bound=str)

Config = Annotated[Path, typer.Option(help="YAML settings, such as Training/configs/paper.yaml.")]
Data = Annotated[
    Path,
    typer.Option(help="Patients: crops of prepare_crops.py, or a cohort of volumes with labels."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="GROUP.KEY=VALUE", help="Another value of a setting; can be repeated."
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where to compute; auto takes a GPU where there is one."),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of each training.")]
Draws = Annotated[int, typer.Option(min=2, help="Bootstrap draws of intervals.")]


def ready_crops(data: Path, into: Path, *, cuts: bool = True, **options: Any) -> Path:
    """:func:`MRNLib.training.cohortcrops.crops_of` with a bar where there is a cohort to cut."""
    from MRNLib.training.cohortcrops import crops_of, is_cohort

    if not is_cohort(data):
        return data
    with shown_progress(cuts) as progress:
        return crops_of(data, into, cuts=cuts, progress=progress, say=say, **options)


def say(line: str) -> None:
    """Prints a line at once, into a log too."""
    print(line, flush=True)


def read_seeds(option: str, text: str) -> range:
    """Seeds of digital patients written ``FIRST:COUNT``.

    Args:
        option: Where they were given, for the error.
        text: As in ``0:1200``.

    Raises:
        InputError: It is written otherwise, or holds none.
    """
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if found is None or int(found[2]) == 0:
        raise InputError(
            f"{option} '{text}' is no range of seeds", expected="FIRST:COUNT, as in 0:1200"
        )
    return range(int(found[1]), int(found[1]) + int(found[2]))


def require_of_all(modalities: Sequence[Name], check: Callable[[Name], object]) -> None:
    """Checks all modalities before work on the first: what is wrong with one, and how to go on.

    Raises:
        InputError: A check failed.
    """
    failed: dict[Name, InputError] = {}
    for one in modalities:
        try:
            check(one)
        except InputError as error:
            failed[one] = error
    others = " ".join(f"--modality {one}" for one in modalities if one not in failed)
    for one, problem in failed.items():
        ways = [problem.remedy, f"leave {one} out: {others}" if others else None]
        raise InputError(
            f"{one}: {problem.found}",
            file=problem.file,
            expected=problem.expected,
            remedy="; or ".join(filter(None, ways)),
        ) from problem
