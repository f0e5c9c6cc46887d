"""What folds predict for patients: single votes, the ensemble, and each patient by an unseen fold.

Probabilities are averaged over folds, and over the two views with test-time augmentation (paper
section 4.1.1), as :class:`MRNLib.classifier.Classifier` averages them in a diagnosis.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from MRNLib.errors import InputError
from MRNLib.models.weights import file_sha256
from MRNLib.training.data import PatientCrops
from MRNLib.training.folds import TrainedFold
from MRNLib.writing import replaced

# As it is, and mirrored left to right.
VIEWS = 2


@dataclass(frozen=True)
class Votes:
    """Votes on some patients.

    Attributes:
        identifiers: Of N patients.
        diagnoses: ``[N]``: 0 HC, 1 PD.
        margins: ``[voters, N]``: logit of PD minus logit of HC.
    """

    identifiers: tuple[str, ...]
    diagnoses: NDArray[np.int64]
    margins: NDArray[np.float64]

    def probabilities(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """P(PD) of each patient ``[N]``: the mean of the voters' probabilities."""
        return expit(self.margins / temperature).mean(axis=0)


@dataclass(frozen=True)
class Margins:
    """What one fold says, by the patient's identifier.

    Attributes:
        margins: ``[views]`` of each patient.
        diagnoses: Of each: 0 HC, 1 PD.
        crops: Fingerprint of the crops that were looked at.
    """

    margins: Mapping[str, tuple[float, ...]]
    diagnoses: Mapping[str, int]
    crops: Mapping[str, str]

    def votes(self, identifiers: Sequence[str], views: int) -> NDArray[np.float64]:
        """``[views, N]``; the first view is the patient as it is."""
        return np.array([self.margins[name][:views] for name in identifiers]).T


def ensemble(folds: Sequence[Margins], identifiers: Sequence[str], *, tta: bool) -> Votes:
    """All folds' votes on patients that none of them was trained on."""
    views = VIEWS if tta else 1
    margins = np.concatenate([one.votes(identifiers, views) for one in folds])
    diagnoses = np.array([folds[0].diagnoses[name] for name in identifiers])
    return Votes(tuple(identifiers), diagnoses, margins)


def out_of_fold(assigned: Mapping[str, Margins], *, tta: bool) -> Votes:
    """The vote on each patient of the one fold that was not trained on it.

    Args:
        assigned: That fold's predictions by the patient's identifier
            (:func:`MRNLib.training.calibration.unseen_by`).
        tta: Average the mirrored view in.
    """
    views = VIEWS if tta else 1
    names = sorted(assigned)
    margins = np.concatenate([assigned[name].votes([name], views) for name in names], axis=1)
    diagnoses = np.array([assigned[name].diagnoses[name] for name in names])
    return Votes(tuple(names), diagnoses, margins)


def predict(
    fold: TrainedFold, patients: Sequence[PatientCrops], device: str = "cpu"
) -> NDArray[np.float64]:
    """One fold's margins ``[views, N]`` with boxes from the true masks, as it is and mirrored."""
    import torch

    from MRNLib.training.config import parse_config
    from MRNLib.training.dataset import CropDataset
    from MRNLib.training.evaluation import margins
    from MRNLib.training.export import load_exported

    config = parse_config(fold.settings)
    model = load_exported(fold.weights).to(torch.device(device))
    dataset = CropDataset(
        patients,
        model.config.preprocess,
        model.regions,
        config.augment,
        config.data,
        torch.device(device),
    )
    everyone = range(len(patients))
    return np.stack(
        [margins(model, dataset, everyone, mirrored=mirrored) for mirrored in (False, True)]
    )


def predictions_file(weights: Path) -> Path:
    """Where a fold's predictions are kept."""
    return weights.with_name("predictions.json")


def read_predictions(fold: TrainedFold) -> Margins:
    """Predictions of a fold that are still its own; empty if there are none."""
    path = predictions_file(fold.weights)
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["weights"] != file_sha256(fold.weights):
            return Margins({}, {}, {})
        patients = stored["patients"]
        return Margins(
            {name: tuple(one["margins"]) for name, one in patients.items()},
            {name: int(one["diagnosis"]) for name, one in patients.items()},
            {name: str(one["crops"]) for name, one in patients.items()},
        )
    except FileNotFoundError:
        return Margins({}, {}, {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "these are no predictions of a fold", file=path, remedy="delete the file"
        ) from error


def keep_predictions(
    fold: TrainedFold, patients: Sequence[PatientCrops], device: str = "cpu"
) -> Margins:
    """Predicts the patients that are not in the fold's ``predictions.json`` yet, and writes it.

    A patient whose crops are others than those that were predicted is predicted again.

    Raises:
        InputError: The fold's weights are no numbers any more.
    """
    known = read_predictions(fold)
    missing = [one for one in patients if known.crops.get(one.identifier) != one.fingerprint]
    if not missing:
        return known
    predicted = predict(fold, missing, device)
    if not np.isfinite(predicted).all():
        raise InputError(
            "this fold predicts what is no number: its training went astray",
            file=fold.weights,
            remedy="delete its folder and train it with lower learning rates",
        )
    found = predicted.T.tolist()
    new = {one.identifier: tuple(row) for one, row in zip(missing, found, strict=True)}
    result = Margins(
        {**known.margins, **new},
        {**known.diagnoses, **{one.identifier: one.diagnosis for one in missing}},
        {**known.crops, **{one.identifier: one.fingerprint for one in missing}},
    )
    listed = {
        name: {
            "diagnosis": result.diagnoses[name],
            "crops": result.crops[name],
            "margins": list(result.margins[name]),
        }
        for name in sorted(result.margins)
    }
    description = {"weights": file_sha256(fold.weights), "views": ["as it is", "mirrored"]}
    with replaced(predictions_file(fold.weights)) as partial:
        text = json.dumps({**description, "patients": listed}, indent=1) + "\n"
        partial.write_text(text, encoding="utf-8")
    return result
