"""Which patients a training trains on, and which it holds out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.errors import InputError
from MRNLib.training.crops import PatientCrops
from MRNLib.training.data import stratified_folds

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class FoldData:
    """One fold of some patients.

    Attributes:
        fold: Its number.
        folds: Into how many the patients were split.
        training: Positions of those to train on.
        held_out: Positions of the others; may be empty.
        identifiers: Of all patients.
        crops: Fingerprints of their crops.
    """

    fold: int
    folds: int
    training: NDArray[np.int64]
    held_out: NDArray[np.int64]
    identifiers: tuple[str, ...] = field(repr=False)
    crops: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(
        cls,
        patients: Sequence[PatientCrops],
        fold: int,
        folds: int,
        seed: int,
        split: Split | None = None,
    ) -> FoldData:
        """A fold of the library's own split, or of a given one.

        Args:
            patients: All of them.
            fold: Which fold is held out.
            folds: Number of folds.
            seed: Of the library's split.
            split: (training, held-out) positions instead.

        Raises:
            InputError: A class is too small for so many folds, or missing among those to train on.
        """
        if split is None:
            split = stratified_folds(patients, folds, seed)[fold]
        training, held_out = (np.asarray(one, np.int64) for one in split)
        classes = {patients[index].diagnosis for index in training.tolist()}
        if len(classes) < 2:
            raise InputError(
                f"the {len(training)} patients to train on have {len(classes)} diagnosis",
                expected="patients of both classes, HC and PD",
            )
        if np.intersect1d(training, held_out).size:
            raise ValueError("a patient is both trained on and held out")
        names = tuple(patient.identifier for patient in patients)
        crops = tuple(patient.fingerprint for patient in patients)
        return cls(fold, folds, training, held_out, names, crops)

    @property
    def trained_names(self) -> list[str]:
        """Identifiers of the patients to train on."""
        return self._names(self.training)

    @property
    def held_out_names(self) -> list[str]:
        """Identifiers of the patients that are held out."""
        return self._names(self.held_out)

    @property
    def crops_by_name(self) -> dict[str, str]:
        """Fingerprints of all patients' crops by identifier."""
        return dict(zip(self.identifiers, self.crops, strict=True))

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with; JSON values."""
        return {
            "fold": [self.fold, self.folds],
            "patients": list(self.identifiers),
            "training": self.trained_names,
            "crops": self.crops_by_name,
        }

    def _names(self, positions: Iterable[int]) -> list[str]:
        return [self.identifiers[int(position)] for position in positions]
