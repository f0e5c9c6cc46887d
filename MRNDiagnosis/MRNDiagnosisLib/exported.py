"""The folder of one case that files are exported to: never that of another, never half written."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from MRNLib.anatomy import NOTICE
from MRNLib.writing import require_folder

MARK = "exported.json"
PARTIAL = ".partial-"


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        case: The case's name.
        content: What tells it from others of that name, such as hashes of its volumes; without
            any the folder is a new one.
    """

    case: str
    content: Mapping[str, str]

    def text(self) -> str:
        """What is written into the folder."""
        return json.dumps(
            {"case": self.case, "content": dict(self.content), "notice": NOTICE}, indent=2
        )


def write(folder: Path, source: Source, fill: Callable[[Path], None]) -> Path:
    """Writes files into the case's folder: all of them or none.

    Args:
        folder: Holds one folder for each case.
        source: Whose files they are.
        fill: Writes them into a new folder.

    Returns:
        ``<folder>/<case>``, with a number behind it where that folder is another case's or holds
        another version of one of the files.

    Raises:
        InputError: The folder cannot be written, or what ``fill`` raises.
    """
    require_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
    try:
        staged = partial / "files"  # with the permissions of any new folder
        staged.mkdir()
        fill(staged)
        (staged / MARK).write_text(source.text(), encoding="utf-8")
        target = _free(folder, source, staged)
        if target.exists():
            for path in _files(staged):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged / path, target / path)
        else:
            os.rename(staged, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _free(folder: Path, source: Source, staged: Path) -> Path:
    """The first folder of that name into which the files can go without replacing others."""
    name = _file_name(source.case)
    for number in count(1):
        target = folder / (name if number == 1 else f"{name}_{number}")
        if not os.path.lexists(target) or _fits(target, source, staged):
            return target
    raise AssertionError("there is always another number")


def _fits(target: Path, source: Source, staged: Path) -> bool:
    try:
        marked = (target / MARK).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    if not source.content or marked != source.text():
        return False
    return not any(
        os.path.lexists(target / path) and not _same(staged / path, target / path)
        for path in _files(staged)
    )


def _same(first: Path, second: Path) -> bool:
    return second.is_file() and filecmp.cmp(first, second, shallow=False)


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _file_name(identifier: str) -> str:
    """A case's name as a folder's."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in identifier)
    return kept.strip(".") or "case"
