"""Whether the result that is shown is still that of the scene, or cannot be compared with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from MRNDiagnosisLib import freshness
from MRNDiagnosisLib.freshness import Fingerprint
from MRNDiagnosisLib.results import ResultNodes
from MRNLib.errors import InputError

INCOMPARABLE = "It cannot be compared with the scene: {}"
UNKNOWN = "what it was made from is not stored with it."
NO_QSM = "no QSM volume is chosen."


@dataclass(frozen=True)
class Comparison:
    """What a look at the scene found.

    Attributes:
        now: What a run would be made from; None where that cannot be said.
        changes: What changed since the result, one sentence each.
        recompute: What a new diagnosis would do again.
        problem: What a run could not use either.
    """

    now: Fingerprint | None = None
    changes: tuple[str, ...] = ()
    recompute: str = ""
    problem: str = ""


def compare(
    result: ResultNodes | None, take: Callable[[], Fingerprint] | None, tokens_kept: bool
) -> Comparison:
    """Compares the scene with a result; one that nobody could compare must not pass for fresh.

    Args:
        result: The result's nodes; None while there is no result.
        take: Gives the scene's fingerprint; None without a QSM.
        tokens_kept: As for :func:`MRNDiagnosisLib.freshness.recompute`.
    """
    if take is None:
        return Comparison(changes=_cannot(result, NO_QSM))
    now = None
    try:
        now = take()
        before = None if result is None else freshness.remembered(result.text)
        if before is None:
            return Comparison(now, _cannot(result, UNKNOWN))
        changes = tuple(freshness.changes(before, now))
        return Comparison(now, changes, freshness.recompute(before, now, tokens_kept))
    except InputError as error:
        return Comparison(now, _cannot(result, str(error)), problem=str(error))
    except Exception as error:
        logging.exception("The scene could not be compared with the result")
        return Comparison(now, _cannot(result, f"{error} (the log has the details)"))


def _cannot(result: ResultNodes | None, why: str) -> tuple[str, ...]:
    return () if result is None else (INCOMPARABLE.format(next(iter(why.splitlines()), why)),)
