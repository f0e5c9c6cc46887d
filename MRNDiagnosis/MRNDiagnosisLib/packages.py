"""What the module needs in Slicer's Python and what of it is there, from package metadata alone."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "requirements.txt"
OLDEST_SLICER = (5, 12, 1)


@dataclass(frozen=True)
class Requirement:
    """One line of the requirements, and what is installed.

    Attributes:
        name: The package's name.
        text: Name and range, as pip takes it.
        installed: Version that is installed, or None.
        satisfied: Whether that version lies in the range.
    """

    name: str
    text: str
    installed: str | None
    satisfied: bool


def slicer_version(app: Any) -> tuple[int, int, int]:
    """Major, minor and patch number of ``slicer.app``."""
    return app.majorVersion, app.minorVersion, app.mainApplicationPatchVersion


def slicer_problem(version: Sequence[int]) -> str:
    """One sentence where Slicer is too old for this module, else ``""``.

    Args:
        version: Slicer's major, minor and patch number.
    """
    if tuple(version) >= OLDEST_SLICER:
        return ""
    needed, found = (".".join(map(str, numbers)) for numbers in (OLDEST_SLICER, version))
    return f"This module needs 3D Slicer {needed} or newer; this is {found}."


def requirements(file: Path = REQUIREMENTS) -> list[Requirement]:
    """Every requirement with what is installed, read from package metadata alone."""
    from packaging.requirements import Requirement as Parsed

    importlib.invalidate_caches()
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            parsed = Parsed(line)
            version = installed(parsed.name)
            fits = version is not None and parsed.specifier.contains(version, prereleases=True)
            found.append(Requirement(parsed.name, line.strip(), version, fits))
    return found


def missing() -> list[Requirement]:
    """The requirements that are not satisfied; empty when runs can be started."""
    return [entry for entry in requirements() if not entry.satisfied]


def installed(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        # None, too, where an interrupted installation left a package without its metadata.
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
