"""Which run a cohort's folder belongs to: what another one still computes is not written."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from MRNLib.cohort.records import CaseRecord, read_case, result_folder, write_case
from MRNLib.errors import Cancelled, InputError

# Holds the name of the run that a folder belongs to now.
TICKET = ".run"


def require_ticket(out: Path, ticket: str) -> None:
    """Ends the work on a case for a run that is over, or that another one has taken the place of.

    Raises:
        Cancelled: The folder belongs to another run.
        InputError: It cannot be seen from here.
    """
    try:
        holder = (out / TICKET).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if out.is_dir():
            raise Cancelled("the run is over") from error
        raise InputError(
            f"{platform.node()} does not see this folder",
            file=out,
            expected="a folder that is the same on all machines of the cluster",
        ) from error
    if holder != ticket:
        raise Cancelled("another run goes on with this folder")


def put_record(out: Path, record: CaseRecord, ticket: str) -> CaseRecord:
    """Writes a case's record, unless the folder is another run's by now.

    A failure takes the place of a diagnosis only if that was of other files or settings. One of the
    same stays true though it cannot be made again, and so does one whose files are gone.

    Returns:
        The record that stands: this one or the diagnosis before it.

    Raises:
        Cancelled: The folder is another run's.
    """
    require_ticket(out, ticket)
    if record.state == "failed":
        earlier = _diagnosed(out, record.identifier)
        if earlier is not None and record.identity in (None, earlier.identity):
            return earlier
        shutil.rmtree(result_folder(out, record.identifier), ignore_errors=True)
    write_case(out, record)
    return record


def _diagnosed(out: Path, identifier: str) -> CaseRecord | None:
    """What stands of a case, if it is a diagnosis."""
    try:
        record = read_case(out, identifier)
    except InputError:  # damaged: there is nothing to keep
        return None
    return record if record is not None and record.state == "done" else None
