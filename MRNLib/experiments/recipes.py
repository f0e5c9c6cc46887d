"""Where the settings of a run are not those of scale ``paper``, read from both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNLib.experiments.cells import SCALES, Cell, Scale, cell_config

ALL = "all"


@dataclass(frozen=True)
class Departure:
    """One setting that is another one at scale ``paper``.

    Attributes:
        setting: ``group.key``.
        here: Its value, as YAML writes it.
        paper: Its value in the paper-scale file.
        systems: Whose it is; :data:`ALL` alone where all systems have it so.
    """

    setting: str
    here: str
    paper: str
    systems: tuple[str, ...]


def departures(
    cells: Iterable[Cell], scale: Scale, configs: Path, trained_on: str, extra: Sequence[str] = ()
) -> tuple[Departure, ...]:
    """How the base files of some cells differ from those of scale ``paper``.

    A row's own overrides are the same at all scales and left out, except for the smaller backbone,
    which every scale has its own of.

    Args:
        cells: What is trained.
        scale: Its scale.
        configs: ``Training/configs``.
        trained_on: ``phantom`` or ``human``.
        extra: The user's settings, as for :func:`~MRNLib.experiments.cells.cell_config`; those of a
            system count.

    Returns:
        By setting, in the files' order.

    Raises:
        InputError: A file cannot be read.
    """
    networks = [cell for cell in cells if cell.kind == "network"]
    bases = {cell.system: Cell(cell.system, cell.system) for cell in networks}
    bases |= {cell.key: cell for cell in networks if cell.small}
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, cell in bases.items():
        here = _flat(cell_config(cell, scale, configs, trained_on, extra).identity())
        paper = _flat(cell_config(cell, SCALES["paper"], configs, trained_on).identity())
        for setting in {**paper, **here}:
            values = here.get(setting, "-"), paper.get(setting, "-")
            if values[0] != values[1]:
                found.setdefault((setting, *values), []).append(name)
    groups = {group: place for place, group in enumerate(("model", "data", "augment", "loss"))}
    places = {setting: place for place, (setting, *_) in reversed(list(enumerate(found)))}
    ordered = sorted(
        found, key=lambda one: (groups.get(one[0].split(".")[0], len(groups)), places[one[0]])
    )
    return tuple(
        Departure(*one, (ALL,) if len(found[one]) == len(bases) > 1 else tuple(found[one]))
        for one in ordered
    )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Values as text by their dotted names."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat
