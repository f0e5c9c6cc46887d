"""What the path of a file tells: of what it is, whose, and a name for its volume in the cache."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from MRNLib.casefiles import FORMATS

# Words of a file's name that tell what it is of (BIDS's Chimap is a susceptibility map).
ROLE_WORDS = {
    "qsm": "QSM",
    "chimap": "QSM",
    "nm": "NM",
    "neuromelanin": "NM",
    "t1": "T1",
    "t1w": "T1",
}
# Other words that tell what a file or folder holds, or when it was measured, and not whose it is.
OTHER_WORDS = {"anat", "baseline", "dicom", "flair", "followup", "nifti", "swi", "t2", "t2w"}
SUBJECT = re.compile(r"(?<![A-Za-z0-9])sub-[A-Za-z0-9]+")
WORD = re.compile(r"[^\W_]+")
# Numbered examinations (ses-1, visit_2, v3, run-1), years and dates (2020, 20200131, 2020-01-31).
TIME = re.compile(
    r"(?<![^\W_])(?:(?:ses|session|visit|v|tp|timepoint|run)[-_ ]?\d+"
    r"|(?:19|20)\d\d(?:[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01]))?)?)(?![^\W_])",
    re.IGNORECASE,
)
KEY_DIGITS = 12


def stem(path: Path) -> str:
    """A file's name without its ending."""
    name = path.name
    ending = next((end for end in FORMATS if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)]


def role_of(path: Path) -> str:
    """What a file is of, by the words of its name; ``other`` where they do not tell.

    The first word that tells, but QSM and NM go before T1: ``T1_NM_P3`` is a neuromelanin image,
    which is weighted by T1.
    """
    told = (ROLE_WORDS.get(word.lower()) for word in WORD.findall(stem(path)))
    found = [role for role in told if role]
    return next((role for role in found if role != "T1"), found[0] if found else "other")


def patient_of(path: Path, source: Path) -> str:
    """Whose a file is, as far as its path below ``source`` tells.

    The subject of a BIDS-style path (``sub-...``); else the folder that holds the file, or the next
    one up whose name has a word that tells who: no role, examination or date; else what is left of
    the file's own name without such words; else, of a file right in ``source``, its dates; else the
    name of ``source``.

    So the files of one ``sub-...`` or one folder are one patient's, and so are files side by side
    whose names differ in roles, examinations and dates alone: ``P1_2020_QSM``, ``P1_2021_NM``.
    Nothing is promised for other layouts. Patients come out as one where the folder of a group
    holds their files, or their names differ as dates do; a patient comes out as two where his
    folder has folders of unknown words (``P1/first``, ``P1/second``), or his files have. Patients
    are held out by these names: their number is printed, to be compared with what it should be, and
    ``sub-...`` is always understood.
    """
    inner = path.relative_to(source)
    if subject := SUBJECT.search(str(inner)):
        return subject.group()
    *folders, _ = inner.parts
    for name in (*reversed(folders), stem(path)):
        if who := _who(TIME.sub(" ", name)):
            return who
    return ("" if folders else _who(stem(path))) or source.name


def _who(name: str) -> str:
    """The words of a file's or folder's name that do not say what it holds."""
    return "_".join(
        word for word in WORD.findall(name) if word.lower() not in {*ROLE_WORDS, *OTHER_WORDS}
    )


def place_of(path: Path, source: Path) -> str:
    """A mark of a file's place: its source's name and its path there, wherever the source lies."""
    return _digest((source.name, path.relative_to(source).as_posix()))


def key_of(path: Path, source: Path) -> str:
    """A name in the cache: readable, with the file's place, and another one if it has changed."""
    state = path.stat() if path.exists() else None
    digest = _digest(state and (state.st_size, state.st_mtime_ns))
    name = "-".join(re.findall(r"[A-Za-z0-9]+", patient_of(path, source)))[:60]
    return f"{name}_{role_of(path)}_{place_of(path, source)}_{digest}"


def _digest(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:KEY_DIGITS]
