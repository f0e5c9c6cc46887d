"""Where patients' files are: a cohort in the challenge's folder layout, its diagnoses.

Layout: ``<folder>/<identifier>/{NM,QSM,T1}.nii.gz`` and ``{NM,QSM}_mask.nii.gz`` (``.nii``,
``.nrrd`` and ``.mha`` too), with the diagnoses in a table such as ``<folder>/labels.csv``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from MRNLib.diagnoses import read_diagnoses
from MRNLib.errors import InputError

DIAGNOSES = ("HC", "PD")
LABELS_FILE = "labels.csv"
FILES = ("QSM", "NM", "T1", "QSM_mask", "NM_mask")
FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")


@dataclass(frozen=True)
class Case:
    """Where a patient's files are.

    Attributes:
        identifier: The patient's name in tables and folders.
        qsm: Susceptibility map.
        nm: Neuromelanin image.
        t1: T1 image, if there is one.
        qsm_mask: Labels 0-16, if there is one.
        nm_mask: Labels 0-2, if there is one.
        diagnosis: ``HC``, ``PD``, or None when unknown.
    """

    identifier: str
    qsm: Path
    nm: Path
    t1: Path | None = None
    qsm_mask: Path | None = None
    nm_mask: Path | None = None
    diagnosis: str | None = None

    def without_folders(self, text: str) -> str:
        """``text`` with the files named without their folders, which may name a patient."""
        for path in (self.qsm, self.nm, self.t1, self.qsm_mask, self.nm_mask):
            if path is not None:
                text = text.replace(str(path), path.name)
        return text


@dataclass(frozen=True)
class UnusableCase:
    """A patient's folder whose files cannot make a case.

    Attributes:
        identifier: The folder's name.
        error: What is the matter with it.
    """

    identifier: str
    error: InputError


def named_file(folder: Path, name: str) -> Path | None:
    """The file ``name`` in one of the formats, None if there is none; two are refused."""
    found = [folder / f"{name}{ending}" for ending in FORMATS]
    found = [path for path in found if path.is_file()]
    if len(found) > 1:
        raise InputError(
            f"{name} is there {len(found)} times: {', '.join(path.name for path in found)}",
            file=folder,
            expected=f"one {name} file",
            remedy="remove the others",
        )
    return found[0] if found else None


def find_case(folder: str | Path, diagnosis: str | None = None) -> Case:
    """The patient in one folder of the challenge's layout.

    Raises:
        InputError: The QSM or NM file is missing, or a file is there in two formats.
    """
    folder = Path(folder)
    paths = {name: named_file(folder, name) for name in FILES}
    qsm, nm = paths["QSM"], paths["NM"]
    if qsm is None or nm is None:
        missing = " and ".join(name for name in ("QSM", "NM") if paths[name] is None)
        raise InputError(
            f"no {missing} file in the folder",
            file=folder,
            expected="QSM and NM as .nii.gz, .nii, .nrrd or .mha",
            remedy="name the files QSM.nii.gz and NM.nii.gz",
        )
    return Case(folder.name, qsm, nm, paths["T1"], paths["QSM_mask"], paths["NM_mask"], diagnosis)


def read_cohort(folder: str | Path, labels_csv: str | Path | None = None) -> list[Case]:
    """All patients of a folder in the challenge's layout, sorted by identifier.

    For work on the patients as a group, such as training; :func:`survey_cohort` lets the others go
    on where one cannot be used.

    Args:
        folder: Holds one folder for each patient; see :func:`survey_cohort` for those passed over.
        labels_csv: Table of diagnoses; ``labels.csv`` in the folder if there is one. A patient it
            does not name has diagnosis None.

    Raises:
        InputError: No patients, a patient without QSM or NM, or a table that cannot be understood.
    """
    cases = []
    for found in survey_cohort(folder):
        if isinstance(found, UnusableCase):
            raise found.error
        cases.append(found)
    folder = Path(folder)
    if labels_csv is None and (folder / LABELS_FILE).is_file():
        labels_csv = folder / LABELS_FILE
    if labels_csv is None:
        return cases
    diagnoses = read_diagnoses(labels_csv)
    if not any(case.identifier in diagnoses for case in cases):
        raise InputError(
            f"the table names none of the {len(cases)} patients in {folder}",
            file=labels_csv,
            expected=f"identifiers like {cases[0].identifier}",
            remedy="check that table and folder belong together",
        )
    return [replace(case, diagnosis=diagnoses.get(case.identifier)) for case in cases]


def holds_patients(folder: str | Path) -> bool:
    """Whether ``folder`` is a cohort: it has a patient's folder in it, whole or not."""
    folder = Path(folder)
    return folder.is_dir() and any(_is_patient(item) for item in folder.iterdir())


def _is_patient(folder: Path) -> bool:
    return any((folder / f"{name}{end}").is_file() for name in FILES for end in FORMATS)


def survey_cohort(folder: str | Path) -> list[Case | UnusableCase]:
    """Every patient's folder in ``folder``, sorted by identifier: a case, or why it is none.

    A folder without any file of a patient is one that lacks them all where it has a patient's name
    but for the number, and is passed over otherwise.

    For work on one patient after another, where one that lacks a file must not stop the others.
    Diagnoses are not read.

    Raises:
        InputError: There is no such folder, or none of a patient in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", file=folder, remedy="check the path")
    found: list[Case | UnusableCase] = []
    items = sorted(folder.iterdir())
    names = {_pattern(item.name) for item in items if _is_patient(item)}
    for item in items:
        if not _is_patient(item) and not (item.is_dir() and _pattern(item.name) in names):
            continue
        try:
            found.append(find_case(item))
        except InputError as error:
            found.append(UnusableCase(item.name, error))
    if not found:
        bids = any(folder.glob("sub-*"))
        raise InputError(
            "the folder holds no patients",
            file=folder,
            expected="one folder for each patient with QSM.nii.gz and NM.nii.gz in it",
            remedy="of BIDS folders (sub-...) only 'mrn cohort run' reads the volumes"
            if bids
            else "choose the folder above the patients' folders",
        )
    return found


def _pattern(name: str) -> str:
    """``RJPD_#`` of ``RJPD_004``: by what the folders of one cohort's patients are alike."""
    return re.sub(r"\d+", "#", name)
