"""What an experiment has measured so far: one JSON file a cell, written when all of it is there.

A file says what it is the result of, so that a stopped experiment goes on and a result of other
settings, weights or patients is never taken for this one's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError
from MRNLib.training.folder import difference
from MRNLib.writing import replaced

CELLS = "cells"


def cell_file(out: Path, key: str) -> Path:
    """Where a cell's result stands."""
    return out / CELLS / f"{key}.json"


def kept(
    out: Path, key: str, identity: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """A cell's record: read if it was finished before, else measured and written.

    Args:
        out: The experiment's folder; made if missing.
        key: The cell's name, fit for a file.
        identity: What makes its result this one's; JSON values.
        measure: Gives the result; JSON values.

    Returns:
        ``identity``, ``result`` and the ``seconds`` of the processor that it took.

    Raises:
        InputError: The folder has a cell of this name with another identity, or a damaged one.
    """
    path = cell_file(out, key)
    wanted = json.loads(json.dumps(identity))
    if path.is_file():
        record = read_cell(path)
        if record["identity"] != wanted:
            raise InputError(
                "was measured with other settings, weights or patients"
                + difference(record["identity"], wanted),
                file=path,
                remedy="name another --out folder, or delete this file to measure it again",
            )
        return record
    # Of this process, not of the clock: other work on the machine does not count.
    start = time.process_time()
    result = measure()
    seconds = round(time.process_time() - start, 1)
    record = {"identity": wanted, "result": result, "seconds": seconds}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        partial.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return json.loads(json.dumps(record))


def read_cell(path: Path) -> dict[str, Any]:
    """What :func:`kept` wrote.

    Raises:
        InputError: It is no such file.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not {"identity", "result"} <= record.keys():
            raise ValueError("no cell")
    except (OSError, ValueError) as error:
        raise InputError(
            "is not the result of a cell", file=path, remedy="delete it to measure the cell again"
        ) from error
    return record


def finished_cells(out: Path) -> dict[str, dict[str, Any]]:
    """All records of an experiment by key, in the order of their names.

    Raises:
        InputError: There are none, or one is damaged.
    """
    paths = sorted(path for path in (out / CELLS).glob("*.json") if path.name[0] != ".")
    if not paths:
        raise InputError(
            "holds no measured cells",
            file=out,
            remedy="measure some with probe_navigation.py probe or labels",
        )
    return {path.stem: read_cell(path) for path in paths}
