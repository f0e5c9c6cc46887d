"""How a case ended: written down, and said in short to whoever counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from MRNLib.cluster.tasks import Outcome
from MRNLib.cohort.records import CaseRecord
from MRNLib.cohort.ticket import put_record


@dataclass(frozen=True)
class Found:
    """What there is to say of a case that has ended: :attr:`Outcome.value`.

    Attributes:
        state: ``done before`` is what an earlier run did.
        probability_pd: None for a failed case.
        decision: Empty for a failed case.
        note: Why an earlier diagnosis could not be made again.
    """

    state: Literal["done", "done before", "failed"]
    probability_pd: float | None = None
    decision: str = ""
    note: str = ""


def conclude(out: Path, record: CaseRecord, ticket: str) -> Outcome:
    """Writes down how a case ended, and says it in short.

    Raises:
        Cancelled: The folder is another run's.
    """
    stands = put_record(out, record, ticket)
    note = "" if stands is record else f"Its earlier diagnosis is kept. {record.error}"
    return outcome_of(stands, ticket, note)


def outcome_of(record: CaseRecord, ticket: str, note: str = "") -> Outcome:
    """What a record says to the run of this name, in short."""
    if record.diagnosis is None:
        return Outcome(record.identifier, record.error or "failed", value=Found("failed"))
    shown = record.diagnosis
    # A record of this run is found where a worker died between writing and telling of it.
    state: Literal["done", "done before"] = "done" if record.run == ticket else "done before"
    found = Found(state, shown["probability_pd"], shown["decision"], note)
    return Outcome(record.identifier, value=found)
