"""Tables over a cohort, made from its records: whenever wanted, always the same.

CSV always, Parquet where pyarrow is installed. Both are written case by case, so that ten thousand
need no more memory than one.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from MRNLib.anatomy import NOTICE
from MRNLib.biomarkers import Biomarker
from MRNLib.cohort.mixture import Mixture
from MRNLib.cohort.records import TABLES, CaseRecord, CohortRecord, read_cases, read_cohort
from MRNLib.errors import in_one_line
from MRNLib.writing import replaced

# Rows of Parquet held in memory.
CHUNK = 20_000
# Columns of a table with their kinds; an empty cell is an unknown value.
Columns = dict[str, type]
Row = dict[str, Any]

CASE_COLUMNS: Columns = {
    "identifier": str,
    "subject": str,
    "state": str,
    "probability_pd": float,
    "decision": str,
    "spread": float,
    "robustness": str,
    "degraded": bool,
    "phantom": bool,
    "model_trained_on": str,
    "bundle": str,
    "warnings": str,
    "error": str,
    "seconds": float,
    "worker": str,
    "settings_hash": str,
    "identity": str,
    "notice": str,
}
FAILED_COLUMNS: Columns = {
    "identifier": str,
    "subject": str,
    "error": str,
    "seconds": float,
    "settings_hash": str,
}


def _biomarker_columns() -> Columns:
    kinds: dict[str, type] = {"float": float, "float | None": float, "int": int, "bool": bool}
    named = {field.name: kinds.get(str(field.type), str) for field in dataclasses.fields(Biomarker)}
    ours = {"model_trained_on": str, "settings_hash": str, "notice": str}
    return {"identifier": str, "subject": str, **named, **ours}


def case_rows(record: CaseRecord) -> Iterator[Row]:
    """One row."""
    found = record.diagnosis or {}
    source = found.get("provenance", {}).get("bundle") or {}
    yield {
        **{name: getattr(record, name) for name in CASE_COLUMNS if hasattr(record, name)},
        **{name: found.get(name) for name in ("probability_pd", "decision", "spread")},
        **{name: found.get(name) for name in ("robustness", "degraded", "phantom")},
        "model_trained_on": found.get("trained_on"),
        "bundle": " ".join(source[name] for name in ("name", "version") if name in source) or None,
        "warnings": "; ".join(found.get("warnings", [])) or None,
        "error": in_one_line(record.error or "") or None,
        "notice": found.get("notice", NOTICE),
    }


def biomarker_rows(record: CaseRecord) -> Iterator[Row]:
    """A row for each measurement of a case."""
    found = record.diagnosis or {}
    for item in found.get("biomarkers", []):
        yield {
            "identifier": record.identifier,
            "subject": record.subject,
            **item,
            "flags": "; ".join(item["flags"]) or None,
            "model_trained_on": found["trained_on"],
            "settings_hash": record.settings_hash,
            "notice": found["notice"],
        }


def failed_rows(record: CaseRecord) -> Iterator[Row]:
    """One row for a failed case, none for another."""
    if record.state == "failed":
        row = {name: getattr(record, name) for name in FAILED_COLUMNS}
        yield row | {"error": in_one_line(record.error or "")}


def write_tables(out: Path, cohort: CohortRecord | None = None) -> tuple[list[Path], str]:
    """Writes ``tables/{cases,biomarkers,failed}`` as CSV, and as Parquet where pyarrow is there.

    Returns:
        The files, and :attr:`Mixture.warning`.

    Raises:
        InputError: There is no cohort in the folder, or a record cannot be read.
    """
    cohort = cohort or read_cohort(out)
    folder = out / TABLES
    folder.mkdir(parents=True, exist_ok=True)
    kinds: list[tuple[str, Columns, Callable[[CaseRecord], Iterator[Row]]]] = [
        ("cases", CASE_COLUMNS, case_rows),
        ("biomarkers", _biomarker_columns(), biomarker_rows),
        ("failed", FAILED_COLUMNS, failed_rows),
    ]
    formats: dict[str, Callable[[Path, Columns], Sink]] = {".csv": CsvSink}
    if importlib.util.find_spec("pyarrow") is not None:
        formats[".parquet"] = ParquetSink
    written, mixture = [], Mixture(cohort)
    with contextlib.ExitStack() as stack:
        sinks = []
        for name, columns, rows in kinds:
            for ending, kind in formats.items():
                path = folder / f"{name}{ending}"
                sink = kind(stack.enter_context(replaced(path)), columns)
                stack.callback(sink.close)
                sinks.append((sink, rows))
                written.append(path)
        for record in read_cases(out, cohort):
            mixture.add(record)
            for sink, rows in sinks:
                for row in rows(record):
                    sink.add(row)
    return written, mixture.warning


class Sink(Protocol):
    """A table that grows by rows."""

    def add(self, row: Row) -> None:
        """Puts a row at the end."""

    def close(self) -> None:
        """Writes what is left."""


class CsvSink:
    """A CSV file, UTF-8, with a header."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._columns = columns
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._stream, lineterminator="\n")
        self._table.writerow(columns)

    def add(self, row: Row) -> None:
        """Puts a row at the end."""
        self._table.writerow(["" if row[name] is None else row[name] for name in self._columns])

    def close(self) -> None:
        """Writes what is left."""
        self._stream.close()


class ParquetSink:
    """A Parquet file, its columns' kinds stored with it."""

    def __init__(self, path: Path, columns: Columns) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Puts a row at the end."""
        self._rows.append(row)
        if len(self._rows) >= CHUNK:
            self._flush()

    def close(self) -> None:
        """Writes what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []
