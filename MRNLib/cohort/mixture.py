"""Whether the records of a cohort come from one bundle and one choice of settings."""

from __future__ import annotations

from collections import Counter

from MRNLib.cohort.records import CaseRecord, CohortRecord


class Mixture:
    """Counts a cohort's records by their settings.

    Args:
        cohort: Says which are the latest run's.
    """

    def __init__(self, cohort: CohortRecord) -> None:
        self._latest = cohort.settings_hash
        self._counts: Counter[str | None] = Counter()

    def add(self, record: CaseRecord) -> None:
        """The next record; a failed one of a version that noted no settings says nothing."""
        if record.settings_hash or record.diagnosis is not None:
            self._counts[record.settings_hash] += 1

    @property
    def warning(self) -> str:
        """What a reader has to know; empty if all are the latest run's, or none says what it is."""
        total = self._counts.total()
        others = total - self._counts[self._latest]
        if not others or self._counts[None] == total:
            return ""
        return (
            f"{others:,} of {total:,} records were made with another bundle or other settings than "
            f"the latest run's ({self._latest}); the column settings_hash of the tables tells "
            "them apart. 'mrn cohort run' does them again."
        )
