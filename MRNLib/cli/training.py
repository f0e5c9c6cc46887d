"""Options that several of the scripts in Training/ have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[Path, typer.Option(help="YAML settings, such as Training/configs/paper.yaml.")]
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
