"""Labelled patients of an experiment: who they are, and what is said of those tested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from MRNLib.errors import InputError
from MRNLib.navigation.measuring.pretrainedarms import PretrainedArm
from MRNLib.training.crops import PatientCrops

LABELS = "labels"
# What a cell says of the patients tested: MRN behind the encoder, and a logistic regression.
MARGINS, LINEAR = "margins", "linear_margins"


def tested(patients: Sequence[PatientCrops], margins: Sequence[float] | Any) -> dict[str, Any]:
    """Predictions as JSON values."""
    return {
        "identifiers": [one.identifier for one in patients],
        "labels": [one.diagnosis for one in patients],
        MARGINS: rounded(margins),
    }


def rounded(values: Iterable[Any]) -> list[float]:
    """As JSON values."""
    return [round(float(one), 6) for one in values]


def refuse_met(patients: Sequence[PatientCrops], arms: Sequence[PretrainedArm]) -> None:
    """Refuses patients whom an encoder is known to have met.

    Raises:
        InputError: There are some.
    """
    for arm in arms:
        if met := sorted({one.identifier for one in patients} & arm.patients):
            raise InputError(
                f"{len(met)} patients were in this pre-training, e.g. {met[0]}",
                file=arm.folder,
                remedy="cut crops of other seeds",
            )


def digest(patients: Sequence[PatientCrops]) -> str:
    """SHA-256 of who they are and of their crops."""
    text = "\n".join(f"{one.identifier} {one.fingerprint}" for one in patients)
    return hashlib.sha256(text.encode()).hexdigest()
