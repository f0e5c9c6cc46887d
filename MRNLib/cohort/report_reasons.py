"""Texts of many cases that say the same of different files: put together and counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from MRNLib.report_page import counted
from MRNLib.rois import STRAYS

NUMBER = re.compile(r"(?<![A-Za-z])[-+−]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
# An absolute path up to its last part: names of folders may be those of a user or a patient.
FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:'\"]+[/\\])+")
# The file that an error of this library names first; its folders may have spaces in their names.
FILE_FIRST = re.compile(r"^(?:[A-Za-z]:)?[/\\][^:\n]*[/\\](?=[^/\\:\n]+: )")
SHOWN = 12


@dataclass(frozen=True)
class Reason:
    """One thing that was said of one or more cases.

    Attributes:
        text: For one case as it was said; for more without what differs, ``#`` for numbers.
        example: As it was said of the first, if that is not the text.
        cases: Identifiers, in their order.
    """

    text: str
    example: str
    cases: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The first of the cases, and how many more."""
        names = ", ".join(self.cases[:SHOWN])
        more = len(self.cases) - SHOWN
        return f"{names} and {counted(more)} more" if more > 0 else names


def grouped(said: Iterable[tuple[str, str]], folders: Iterable[str] = ()) -> list[Reason]:
    """What was said, the most frequent first.

    Args:
        said: Identifier and text, of any number of cases; a case may come more than once.
        folders: Paths that are left out of the texts, and so is everything above a file.
    """
    found: dict[str, dict[str, str]] = {}
    hidden = sorted((one for one in folders if one), key=len, reverse=True)
    for name, text in said:
        shown = without_folders(text, hidden)
        found.setdefault(_sameness(shown, name), {}).setdefault(name, shown)
    reasons = []
    for same, texts in found.items():
        first = next(iter(texts.values()))
        alike = len(set(texts.values())) == 1
        reasons.append(Reason(first if alike else same, "" if alike else first, tuple(texts)))
    return sorted(reasons, key=lambda one: (-len(one.cases), one.text))


def without_folders(text: str, folders: Iterable[str] = ()) -> str:
    """``text`` with files named without the folders above them."""
    for folder in folders:
        text = text.replace(folder.rstrip("/\\") + "/", "").replace(folder, Path(folder).name)
    return FOLDERS.sub("", FILE_FIRST.sub("", text))


def _sameness(text: str, name: str) -> str:
    """``text`` without what differs between cases with the same trouble."""
    if STRAYS in text:  # and then which, voxel by voxel
        text = text[: text.index(STRAYS) + len(STRAYS)]
    return NUMBER.sub("#", text.replace(name, "CASE"))
