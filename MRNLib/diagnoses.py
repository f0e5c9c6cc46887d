"""Tables of diagnoses: who has Parkinson's disease."""

from __future__ import annotations

import csv
from pathlib import Path

from MRNLib.errors import InputError

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
UNKNOWN = "n/a"  # how BIDS writes it
DIAGNOSIS_WORDS = {
    "HC": ("0", "0.0", "hc", "nc", "control", "healthy", "healthy control"),
    "PD": ("1", "1.0", "pd", "parkinson", "parkinson's disease", "patient"),
}


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
