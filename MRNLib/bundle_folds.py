"""From trained folds to a bundle: what they have to agree on, whom they may be calibrated on.

The temperature is fitted to what the bundle itself says, with its half-precision weights and by the
way of a diagnosis, never to patients that the voting folds were trained on
(:mod:`MRNLib.training.calibration`).
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from MRNLib.boxes import crop
from MRNLib.bundle import Bundle
from MRNLib.bundle_export import (
    BundleParts,
    move_bundle,
    require_destination,
    update_bundle,
    write_bundle,
)
from MRNLib.bundle_sources import Sources, check_sources
from MRNLib.card import export_card
from MRNLib.classifier import Classifier, PatientCrops
from MRNLib.manifest import CalibrationSettings, TrainingFacts
from MRNLib.parameters import Parameters
from MRNLib.progress import Progress, part, silent
from MRNLib.training.calibration import Calibration, calibrate, unseen_by
from MRNLib.training.crops import PatientCrops as StoredCrops
from MRNLib.training.dataset import median_shapes
from MRNLib.training.fold_report import measured
from MRNLib.training.predictions import Votes

# A probability this near .5 is called undecided.
ABSTAIN = 0.1


@dataclass(frozen=True)
class Naming:
    """What a bundle says of itself."""

    name: str
    version: str
    summary: str
    command: str


def boxed(stored: StoredCrops, absent: Mapping[str, tuple[int, int, int]]) -> PatientCrops:
    """A patient's crops in the boxes from the true masks, as a diagnosis would cut them."""
    crops = {
        name: np.ascontiguousarray(crop(roi.image, roi.box), np.float32)
        for name, roi in stored.rois.items()
    }
    shapes = {name: array.shape for name, array in crops.items()}
    return PatientCrops(crops, {**absent, **cast(dict[str, Any], shapes)})


def bundle_votes(
    bundle: Bundle, sources: Sources, device: str = "auto", progress: Progress = silent
) -> Votes:
    """What the bundle says of patients that its folds have not seen.

    Margins are ``[folds, N]`` with a validation set, ``[1, N]`` out of fold.
    """
    if sources.validation:
        classifier = Classifier(bundle, Parameters(device=device))
        patients = sorted(sources.validation, key=lambda one: one.identifier)
        return _votes(patients, _margins(classifier, bundle, patients, progress))
    unseen = unseen_by(sources.folds)
    everyone = [one for one in sources.patients if one.identifier in unseen]
    ordered: list[StoredCrops] = []
    columns = []
    for fold in sources.folds:
        mine = [one for one in everyone if unseen[one.identifier] is fold]
        classifier = Classifier(bundle, Parameters(device=device, folds=(fold.fold,)))
        begin, end = len(ordered) / len(everyone), (len(ordered) + len(mine)) / len(everyone)
        columns.append(_margins(classifier, bundle, mine, part(progress, begin, end)))
        ordered += mine
    return _votes(ordered, np.concatenate(columns, axis=1))


def _margins(
    classifier: Classifier, bundle: Bundle, patients: Sequence[StoredCrops], progress: Progress
) -> NDArray[np.float64]:
    """``[folds, N]``."""
    absent = bundle.manifest.absent_roi_shapes
    rows = np.empty((len(classifier.folds), len(patients)))
    for column, patient in enumerate(patients):
        progress(column / len(patients), f"calibration: {patient.identifier}")
        rows[:, column] = classifier.margins(boxed(patient, absent)).mean(axis=1)
    return rows


def _votes(patients: Sequence[StoredCrops], margins: NDArray[np.float64]) -> Votes:
    diagnoses = np.array([one.diagnosis for one in patients])
    return Votes(tuple(one.identifier for one in patients), diagnoses, margins)


def make_bundle(
    sources: Sources,
    naming: Naming,
    destination: Path,
    *,
    device: str = "auto",
    draws: int = 1000,
    progress: Progress = silent,
) -> Bundle:
    """Writes a calibrated bundle with its card; one that was there stays until it is whole.

    Raises:
        InputError: As :func:`check_sources`, or ``destination`` holds something else.
    """
    from safetensors.torch import load_file

    require_destination(destination)
    model = check_sources(sources)
    folds, origin = sources.folds, sources.folds[0].trained_on
    patients = sources.members
    parts = BundleParts(
        name=naming.name,
        version=naming.version,
        trained_on=cast(Literal["phantom", "human"], origin),
        summary=naming.summary,
        model=model,
        folds={one.fold: load_file(one.weights) for one in folds},
        segmenters=sources.segmenters,
        margin_mm=patients[0].margin_mm,
        margin_slices=patients[0].margin_slices,
        absent_roi_shapes=median_shapes(patients),
    )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=destination.parent) as temporary:
        bundle = write_bundle(parts, Path(temporary) / "bundle")
        votes = bundle_votes(bundle, sources, device, progress)
        found = calibrate(votes, "validation" if sources.validation else "out of fold")
        bundle = update_bundle(
            bundle,
            calibration=_settings(found, origin),
            training=_facts(sources, patients, found, draws),
        )
        bundle = update_bundle(bundle, card=export_card(bundle, naming.command))
        return move_bundle(bundle, destination)


def _settings(found: Calibration, origin: str) -> CalibrationSettings:
    number = len(found.votes.diagnoses)
    whom = "phantoms" if origin == "phantom" else "patients"
    of = (
        f"{number} validation {whom}, all folds averaged"
        if found.source == "validation"
        else f"{number} {whom}, each by the fold that was not trained on it"
    )
    return CalibrationSettings(
        temperature=found.temperature,
        abstain_low=0.5 - ABSTAIN,
        abstain_high=0.5 + ABSTAIN,
        source=f"temperature fitted on {of}, boxes from true masks; "
        f"limits .5 plus and minus {ABSTAIN}",
    )


def _facts(
    sources: Sources, patients: Sequence[StoredCrops], found: Calibration, draws: int
) -> TrainingFacts:
    positive = sum(one.diagnosis for one in patients)
    votes = dataclasses.replace(found.votes, margins=found.votes.margins / found.temperature)
    first = sources.folds[0]
    return TrainingFacts(
        patients=len(patients),
        hc=len(patients) - positive,
        pd=positive,
        merged=sources.merged,
        split=first.folds,
        seed=int(first.settings["train"]["seed"]),
        source=found.source,
        measured=len(votes.diagnoses),
        figures=measured(votes, draws),
    )
