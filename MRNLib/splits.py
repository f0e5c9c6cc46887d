"""Folds of patients: stratified, and the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from MRNLib.casefiles import DIAGNOSES, Case
from MRNLib.errors import InputError


def folds(
    cases: Sequence[Case], number: int = 5, seed: int = 1
) -> list[tuple[list[Case], list[Case]]]:
    """Stratified folds that depend only on the identifiers, the diagnoses and the seed.

    Within each diagnosis patients are put in the order of SHA-256(``"<seed>:<identifier>"``) and
    dealt to the folds in turn; PD starts where HC ended, so fold sizes differ by one at most. The
    order of ``cases``, the platform and library versions do not matter.

    Args:
        cases: Patients with a diagnosis and different identifiers.
        number: How many folds.
        seed: Another seed, another split.

    Returns:
        For each fold the training and the held-out patients, both sorted by identifier.

    Raises:
        InputError: A patient without a diagnosis, the same identifier twice, or fewer patients of a
            diagnosis than folds.
    """
    unknown = [case.identifier for case in cases if case.diagnosis not in DIAGNOSES]
    if unknown:
        raise InputError(
            f"{len(unknown)} patients have no diagnosis, e.g. {unknown[0]}",
            expected="HC or PD for every patient",
            remedy="complete the table of diagnoses",
        )
    if len({case.identifier for case in cases}) != len(cases):
        raise InputError("two patients have the same identifier", remedy="rename one of them")
    held_out: list[list[Case]] = [[] for _ in range(number)]
    dealt = 0
    for diagnosis in DIAGNOSES:
        group = [case for case in cases if case.diagnosis == diagnosis]
        if len(group) < number:
            raise InputError(
                f"{len(group)} patients with diagnosis {diagnosis} for {number} folds",
                expected=f"at least {number}",
                remedy="use fewer folds",
            )
        group.sort(key=lambda case: hashlib.sha256(f"{seed}:{case.identifier}".encode()).digest())
        for case in group:
            held_out[dealt % number].append(case)
            dealt += 1
    everyone = sorted(cases, key=lambda case: case.identifier)
    return [
        (
            [case for case in everyone if case not in fold],
            [case for case in everyone if case in fold],
        )
        for fold in held_out
    ]
