"""Which run a cohort's folder belongs to: what another one still computes is not written."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from MRNLib.cohort.records import CaseRecord, result_folder, write_case
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


def put_record(out: Path, record: CaseRecord, ticket: str) -> None:
    """Writes a case's record, unless the folder is another run's by now.

    Raises:
        Cancelled: It is.
    """
    require_ticket(out, ticket)
    if record.state == "failed":
        shutil.rmtree(result_folder(out, record.identifier), ignore_errors=True)
    write_case(out, record)
