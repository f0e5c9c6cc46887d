"""Which run a cohort's folder belongs to: what another one still computes is not written."""

from __future__ import annotations

import contextlib
import platform
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from MRNLib.cohort.records import (
    CASES,
    RESULTS,
    CaseRecord,
    read_case,
    result_folder,
    write_case,
)
from MRNLib.errors import Cancelled, InputError
from MRNLib.training.lock import LOCK, locked, released
from MRNLib.writing import replaced

# Holds the name of the run that a folder belongs to now.
TICKET = ".run"


class TakenOver(Cancelled):
    """Another run has the folder, so that this one ends."""


@contextlib.contextmanager
def alone(out: Path) -> Iterator[str]:
    """The folder as one run's own: locked, swept, marked with the run's name, which is given.

    Raises:
        InputError: Another run has it.
        TakenOver: The block was cancelled, because another run has it by now.
    """
    descriptor = locked(out / LOCK, "another 'mrn cohort run'")
    ticket = uuid.uuid4().hex
    try:
        _sweep(out)
        with replaced(out / TICKET) as partial:
            partial.write_text(ticket, encoding="utf-8")
        yield ticket
    except Cancelled:
        if _holder(out) not in (ticket, None):
            raise TakenOver("another run goes on with this folder") from None
        raise
    finally:
        if _holder(out) == ticket:  # a newcomer's stays
            with contextlib.suppress(OSError):
                (out / TICKET).unlink(missing_ok=True)
        if descriptor is not None:
            released(out / LOCK, descriptor)


def _holder(out: Path) -> str | None:
    """The run that the folder belongs to, None if that cannot be read."""
    with contextlib.suppress(OSError):
        return (out / TICKET).read_text(encoding="utf-8")
    return None


def _sweep(out: Path) -> None:
    """Removes what a killed run left half-written."""
    leftovers = [out / ".dask", *out.glob(".stop-*"), *out.glob(".partial-*")]
    for folder in (out / CASES, out / RESULTS):
        leftovers += [*folder.glob(".partial-*"), *folder.glob(".old-*")]
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def require_ticket(out: Path, ticket: str) -> None:
    """Ends the work on a case for a run that is over, or that another one has taken the place of.

    Raises:
        Cancelled: The run is over; :class:`TakenOver` if the folder belongs to another one.
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
        raise TakenOver("another run goes on with this folder")


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
