"""Which cases a folder holds: the challenge's layout, or a BIDS-style one by patterns.

BIDS-style: ``sub-*/anat`` and ``sub-*/ses-*/anat`` (data sets with quantitative maps keep them
there). Each session is a case, but one that has neither a QSM nor an NM file. Where one of both is
missing, or several files fit (runs, contrasts), the case cannot be used and says what was found:
nothing is chosen silently.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from MRNLib.casefiles import FORMATS, Case, UnusableCase, holds_patients, survey_cohort
from MRNLib.errors import InputError

Layout = Literal["challenge", "bids"]
LONGEST_NAME = 100
# Label maps of BIDS derivatives, which a pattern for volumes fits too.
NOT_VOLUMES = ("_dseg", "_probseg", "_mask", "_label")
NAMED = 4


@dataclass(frozen=True)
class Patterns:
    """Which file is what in an ``anat`` folder; ``*`` and ``?`` as in a shell.

    Attributes:
        qsm: Susceptibility map.
        nm: Neuromelanin-sensitive volume.
        t1: T1 volume, None where it is not wanted.
        qsm_mask: Mask of the 16 nuclei, None where there are none.
        nm_mask: Mask of the substantia nigra.
    """

    qsm: str = "*_Chimap.nii*"
    nm: str = "*_MT*.nii*"
    t1: str | None = None
    qsm_mask: str | None = None
    nm_mask: str | None = None

    def __post_init__(self) -> None:
        for pattern in (self.qsm, self.nm, self.t1, self.qsm_mask, self.nm_mask):
            if pattern is not None and (not pattern or "/" in pattern or "\\" in pattern):
                raise InputError(
                    f"{pattern!r} is not a pattern of a file's name",
                    expected="one without folders, such as '*_acq-nm*_MT*.nii.gz'",
                )


@dataclass(frozen=True)
class Found:
    """A case of the cohort, or why it is none.

    Attributes:
        identifier: Safe as a file's name, unlike every other's, whatever the letters' case.
        subject: The person, as tables of diagnoses name them.
        case: Its files; None if they cannot be used.
        error: Why not.
    """

    identifier: str
    subject: str
    case: Case | None
    error: str = ""


def find_cases(folder: Path, patterns: Patterns | None = None) -> tuple[Layout, list[Found]]:
    """All cases of a folder, in the order of their names.

    Args:
        folder: Holds the patients' folders, or is a BIDS-style data set.
        patterns: For the latter.

    Raises:
        InputError: There is no such folder, or no case in it.
    """
    folder = folder.absolute()
    if folder.is_dir() and not holds_patients(folder):
        patterns = patterns or Patterns()
        found = list(_sessions(folder, patterns))
        if not found:
            raise InputError(
                "the folder holds no cases",
                file=folder,
                expected="a folder for each case with QSM.nii.gz and NM.nii.gz in it, or "
                f"BIDS-style sub-*/ses-*/anat with {patterns.qsm} and {patterns.nm}",
                remedy="choose the folder above the cases' folders, or see --qsm-pattern",
            )
        return "bids", _named_safely(found)
    surveyed = survey_cohort(folder)
    return "challenge", _named_safely([(item.identifier, item) for item in surveyed])


def without_masks(found: Found) -> Found:
    """The same case with its nuclei to be outlined anew."""
    if found.case is None:
        return found
    return replace(found, case=replace(found.case, qsm_mask=None, nm_mask=None))


def _sessions(folder: Path, patterns: Patterns) -> Iterator[tuple[str, Case | UnusableCase]]:
    """Subject and case of every session."""
    for subject in _folders(folder, "sub-"):
        for session in (None, *_folders(subject, "ses-")):
            place = (session or subject) / "anat"
            name = subject.name if session is None else f"{subject.name}_{session.name}"
            if not place.is_dir():
                continue
            names = sorted(path.name for path in place.iterdir() if path.name[0] != ".")
            if _fitting(names, patterns.qsm, "QSM") or _fitting(names, patterns.nm, "NM"):
                yield subject.name, _case(place, names, name, patterns)


def _folders(folder: Path, prefix: str) -> list[Path]:
    return sorted(
        item for item in folder.iterdir() if item.name.startswith(prefix) if item.is_dir()
    )


def _case(folder: Path, names: Sequence[str], name: str, patterns: Patterns) -> Case | UnusableCase:
    try:
        return Case(
            name,
            qsm=_one(folder, names, patterns.qsm, "QSM"),
            nm=_one(folder, names, patterns.nm, "NM"),
            t1=_perhaps(folder, names, patterns.t1, "T1"),
            qsm_mask=_perhaps(folder, names, patterns.qsm_mask, "QSM mask"),
            nm_mask=_perhaps(folder, names, patterns.nm_mask, "NM mask"),
        )
    except InputError as error:
        return UnusableCase(name, error)


def _perhaps(folder: Path, names: Sequence[str], pattern: str | None, role: str) -> Path | None:
    if pattern is None or not _fitting(names, pattern, role):
        return None
    return _one(folder, names, pattern, role)


def _one(folder: Path, names: Sequence[str], pattern: str, role: str) -> Path:
    """The one file that fits.

    Raises:
        InputError: None does, several do, or it is a link to nothing.
    """
    fitting = _fitting(names, pattern, role)
    option = f"--{role.lower().replace(' ', '-')}-pattern"
    if not fitting:
        raise InputError(
            f"no {role} file: nothing fits {pattern}", file=folder, remedy=f"see {option}"
        )
    if len(fitting) > 1:
        more = f" and {len(fitting) - NAMED} more" if len(fitting) > NAMED else ""
        raise InputError(
            f"{len(fitting)} files fit {pattern}: {', '.join(fitting[:NAMED])}{more}",
            file=folder,
            expected=f"one {role} file",
            remedy=f"give a narrower {option}",
        )
    path = folder / fitting[0]
    if not path.exists():
        raise InputError(
            "is a link to nothing", file=path, remedy="get the file (datalad get, git annex get)"
        )
    return path


def _fitting(names: Sequence[str], pattern: str, role: str) -> list[str]:
    from fnmatch import fnmatchcase

    found = [name for name in names if fnmatchcase(name, pattern) and name.endswith(FORMATS)]
    if "mask" in role:
        return found
    return [name for name in found if not name.split(".")[0].endswith(NOT_VOLUMES)]


def _named_safely(found: Sequence[tuple[str, Case | UnusableCase]]) -> list[Found]:
    """Every case with a name of its own, also where letters' case makes no difference."""
    result, taken = [], set()
    for subject, item in found:
        name = safe_name(item.identifier)
        if name.casefold() in taken:
            name = f"{name}-{_short_hash(item.identifier)}"
        taken.add(name.casefold())
        if isinstance(item, Case):
            result.append(Found(name, subject, replace(item, identifier=name)))
        else:
            result.append(Found(name, subject, None, str(item.error)))
    return result


def safe_name(name: str) -> str:
    """``name`` if it can be a file's name anywhere, else one made of it and of its hash."""
    safe = re.sub(r"[^\w.+-]", "_", name).strip("._-")[:LONGEST_NAME] or "case"
    return name if safe == name else f"{safe}-{_short_hash(name)}"


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
