"""What one row of the table of inputs that go wrong consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One input that goes wrong.

    Attributes:
        name: Short name, the test's id.
        build: Writes the files into a folder: ``qsm``, ``nm`` and where given ``qsm_mask``,
            ``nm_mask`` to their paths.
        kind: ``error`` (refused), ``warning`` (used, and said) or ``used`` (without a word).
        expected: What the message contains, every fragment.
        names: The files the message names, by role.
        options: Extra options of the command line.
        load: The same options for :func:`MRNLib.cases.load_case`.
    """

    name: str
    build: Callable[[Path], dict[str, Path]]
    kind: str
    expected: tuple[str, ...]
    names: tuple[str, ...] = ("qsm",)
    options: tuple[str, ...] = ()
    load: dict[str, bool] = field(default_factory=dict)
