"""What a cohort's run leaves: one JSON file for each case, which is the truth, and one for all.

Layout of a run's folder::

    cohort.json               what was run, and which cases
    cases/IDENTIFIER.json     one case: done with its diagnosis, or failed with the reason
    results/IDENTIFIER/       report, masks and figures, as far as they were asked for
    tables/                   made from the above, whenever wanted

A case's file is moved into place when all else of the case is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from MRNLib.errors import InputError
from MRNLib.examination import Examination, from_json
from MRNLib.writing import replaced

COHORT_FILE = "cohort.json"
CASES, RESULTS, TABLES = "cases", "results", "tables"

State = Literal["done", "failed"]
Keep = Literal["report", "masks", "none"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Record = TypeVar("Record", bound=_Strict)


class CaseRecord(_Strict):
    """``cases/IDENTIFIER.json``.

    Attributes:
        version: Of this format.
        identifier: Name of the case, safe as a file's name; that of the file.
        subject: The person: folder of the challenge's layout, ``sub-...`` of BIDS. What a table of
            diagnoses names.
        state: Whether there is a diagnosis.
        error: Why not, in one to three lines.
        seconds: Time that the case took.
        worker: Which process did it, such as ``0 on HOST``; empty for the command itself.
        run: Name of the run that did it; empty for the command itself.
        identity: Hash of the bundle, the files and the settings that change the result; None where
            the files could not be read.
        diagnosis: What ``mrn diagnose`` writes as ``diagnosis.json``.
        files: Written below ``results/IDENTIFIER``.
    """

    version: Literal["mrn-case-1"] = "mrn-case-1"
    identifier: str
    subject: str
    state: State
    error: str | None = None
    seconds: float = Field(ge=0)
    worker: str = ""
    run: str = ""
    identity: str | None = None
    diagnosis: dict[str, Any] | None = None
    files: list[str] = []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.state == "done") != (self.diagnosis is not None and self.error is None):
            raise ValueError("a done case has a diagnosis and no error, a failed one an error")
        if self.state == "failed" and (self.diagnosis is not None or not self.error):
            raise ValueError("a failed case has an error and no diagnosis")
        return self

    @property
    def examination(self) -> Examination | None:
        """The diagnosis as the library's own object, None for a failed case."""
        return None if self.diagnosis is None else from_json(json.dumps(self.diagnosis))


class CohortRecord(_Strict):
    """``cohort.json``.

    Attributes:
        version: Of this format.
        folder: Absolute path of the cases' folder.
        layout: How it is laid out.
        cases: Identifiers of all its cases, in order, whatever has become of them.
        settings: Values of :class:`~MRNLib.parameters.Parameters` and of the options that choose
            files, as JSON values.
        bundle: Name, version, sha256 and trained_on of the bundle.
        keep: What was kept below ``results``.
        mrn: Version of this library.
        started: When the folder was first used, ISO 8601.
        continued: When the latest run began.
    """

    version: Literal["mrn-cohort-1"] = "mrn-cohort-1"
    folder: str
    layout: Literal["challenge", "bids"]
    cases: list[str]
    settings: dict[str, Any]
    bundle: dict[str, str]
    keep: Keep
    mrn: str
    started: str
    continued: str


def case_file(out: Path, identifier: str) -> Path:
    """Where a case's record stands."""
    return out / CASES / f"{identifier}.json"


def result_folder(out: Path, identifier: str) -> Path:
    """Where a case's report and masks stand."""
    return out / RESULTS / identifier


def write_case(out: Path, record: CaseRecord) -> None:
    """Puts a case's record into its place, whole.

    Raises:
        ValueError: The diagnosis holds a NaN or an infinity.
    """
    text = json.dumps(record.model_dump(), ensure_ascii=False, allow_nan=False)
    _write(case_file(out, record.identifier), text)


def read_case(out: Path, identifier: str) -> CaseRecord | None:
    """A case's record; None if there is none.

    Raises:
        InputError: There is a file that is no record of this case.
    """
    path = case_file(out, identifier)
    record = _read(path, CaseRecord, "delete it; 'mrn cohort run' makes it again")
    if record is not None and record.identifier != identifier:
        raise InputError(f"is the record of {record.identifier}", file=path, remedy="delete it")
    return record


def read_cases(out: Path, cohort: CohortRecord | None = None) -> Iterator[CaseRecord]:
    """The records of a cohort's cases, in its order; cases not yet run are passed over.

    One at a time, so that a cohort of any size can be read in little memory.

    Raises:
        InputError: There is no cohort in the folder, or a record cannot be read.
    """
    cohort = cohort or read_cohort(out)
    for identifier in cohort.cases:
        record = read_case(out, identifier)
        if record is not None:
            yield record


def write_cohort(out: Path, record: CohortRecord) -> None:
    """Puts ``cohort.json`` into its place."""
    text = json.dumps(record.model_dump(), indent=1, ensure_ascii=False, allow_nan=False)
    _write(out / COHORT_FILE, text)


def find_cohort(out: Path) -> CohortRecord | None:
    """What was run in a folder; None if nothing was.

    Raises:
        InputError: Its ``cohort.json`` cannot be read.
    """
    return _read(out / COHORT_FILE, CohortRecord, "name another --out folder, or restore the file")


def read_cohort(out: Path) -> CohortRecord:
    """What was run in a folder.

    Raises:
        InputError: Nothing was, or its ``cohort.json`` cannot be read.
    """
    record = find_cohort(out)
    if record is None:
        raise InputError(
            "no cohort was run into this folder",
            file=out,
            expected=f"a folder with {COHORT_FILE}",
            remedy="name the folder that was given to 'mrn cohort run' as --out",
        )
    return record


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _read(path: Path, kind: type[Record], remedy: str) -> Record | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise InputError(
            "cannot be read as what 'mrn cohort run' writes",
            file=path,
            expected="a file of this version",
            remedy=remedy,
        ) from error
