"""Where patients' files are: a cohort in the challenge's folder layout, its diagnoses.

Layout: ``<folder>/<identifier>/{NM,QSM,T1}.nii.gz`` and ``{NM,QSM}_mask.nii.gz`` (``.nii``,
``.nrrd`` and ``.mha`` too), with the diagnoses in a table such as ``<folder>/labels.csv``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from MRNLib.errors import InputError

DIAGNOSES = ("HC", "PD")
LABELS_FILE = "labels.csv"
FILES = ("QSM", "NM", "T1", "QSM_mask", "NM_mask")
FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")
IDENTIFIER_COLUMNS = (
    "participant_id",  # of BIDS, whose participants.tsv may have any other column beside it
    "id",
    "identifier",
    "case",
    "case_id",
    "subject",
    "subject_id",
    "patient",
    "patient_id",
    "name",
)
DIAGNOSIS_COLUMNS = ("diagnosis", "label", "pd", "group", "class", "pd_label", "target")
NAMED = 4  # folders that a sentence names
UNKNOWN = "n/a"  # how BIDS writes it
DIAGNOSIS_WORDS = {
    "HC": ("0", "0.0", "hc", "nc", "control", "healthy", "healthy control"),
    "PD": ("1", "1.0", "pd", "parkinson", "parkinson's disease", "patient"),
}


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
        folder: Holds one folder for each patient; folders without any of the five files are passed
            over.
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

    For work on one patient after another, where one that lacks a file must not stop the others.
    Diagnoses are not read.

    Raises:
        InputError: There is no such folder, or none of a patient in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", file=folder, remedy="check the path")
    found: list[Case | UnusableCase] = []
    for item in sorted(folder.iterdir()):
        if not _is_patient(item):
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


def passed_over(folder: Path) -> str:
    """A sentence that names the folders in which :func:`survey_cohort` found no patient, or ""."""
    names = [
        item.name
        for item in sorted(folder.iterdir())
        if item.is_dir() and not item.name.startswith(".") and not _is_patient(item)
    ]
    if not names:
        return ""
    shown = ", ".join(names[:NAMED]) + (" ..." if len(names) > NAMED else "")
    return f"Passed over, with no QSM or NM file in them: {shown}"


def read_diagnoses(path: str | Path) -> dict[str, str]:
    """Identifier to ``HC`` or ``PD`` from a table with a header (comma, semicolon or tab).

    A BIDS-style ``participants.tsv`` is one. Patients whose diagnosis is ``n/a`` are left out.

    Raises:
        InputError: No such file, no column for either, a value that is neither, or a patient with
            two diagnoses.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "cannot be read as a table", file=path, expected="a UTF-8 text file"
        ) from error
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=first.count)
    table = csv.DictReader(text.splitlines(), delimiter=delimiter)
    rows = list(table)
    columns = {
        (name or "").strip().lower().replace(" ", "_"): name for name in table.fieldnames or ()
    }
    identifier = next((columns[name] for name in IDENTIFIER_COLUMNS if name in columns), None)
    diagnosis = next((columns[name] for name in DIAGNOSIS_COLUMNS if name in columns), None)
    if identifier is None or diagnosis is None:
        raise InputError(
            f"columns found: {', '.join(map(str, columns)) or 'none'}",
            file=path,
            expected="a header with an identifier (id, case, participant_id ...) and a diagnosis "
            "(diagnosis, label, PD ...), and a row for each patient",
            remedy="name the columns 'id' and 'diagnosis'",
        )
    if not rows:
        raise InputError(
            "a header and no row below it", file=path, expected="a row for each patient"
        )
    return _diagnoses(rows, identifier, diagnosis, path)


def _diagnoses(
    rows: list[dict[str, str]], identifier: str, diagnosis: str, path: str | Path
) -> dict[str, str]:
    words = {word: name for name, spelled in DIAGNOSIS_WORDS.items() for word in spelled}
    result: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, said = (row[identifier] or "").strip(), (row[diagnosis] or "").strip()
        if (not name and not said) or said.lower() == UNKNOWN:
            continue
        known = words.get(said.lower())
        if known is None or not name:
            raise InputError(
                f"row {number}: '{said}' for '{name}' is not a diagnosis",
                file=path,
                expected="0 or HC for healthy controls, 1 or PD for Parkinson's disease",
                remedy="correct the row, or leave the patient out of the table",
            )
        if result.get(name, known) != known:
            raise InputError(f"row {number}: '{name}' has two diagnoses", file=path)
        result[name] = known
    return result
