"""A whole MRN, trained from an encoder of slice navigation, tested beside the frozen ones."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError
from MRNLib.models.config import NAVIGATION
from MRNLib.models.weights import file_sha256
from MRNLib.navigation.measuring.labelledpatients import digest, refuse_met, tested
from MRNLib.navigation.measuring.measuredcells import kept
from MRNLib.navigation.measuring.pretrainedarms import (
    RANDOM_ENCODER,
    PretrainedArm,
    read_arm,
)
from MRNLib.training.crops import PatientCrops
from MRNLib.training.folds import TrainedFold, refuse_shared
from MRNLib.training.predictions import predict

FINETUNED = "finetuned"


def measure_finetuned(
    fold: TrainedFold, test: Sequence[PatientCrops], out: Path, device: str = "cpu"
) -> dict[str, Any]:
    """Tests a whole MRN that train_mrn.py has trained, for the same page.

    Args:
        fold: The finished training.
        test: Patients that it has not seen.
        out: The experiment's folder.
        device: Where to compute.

    Raises:
        InputError: It or the pre-training has seen some, or it started from something else than a
            navigation's encoder or at random.
    """
    refuse_shared(fold.trained, [one.identifier for one in test])
    arm = _start(fold)
    refuse_met(test, [arm] if arm else [])
    encoder, seed = arm.encoder if arm else RANDOM_ENCODER, int(fold.settings["train"]["seed"])
    identity = {
        "kind": FINETUNED,
        "encoder": encoder,
        "start": arm.sha256 if arm else None,
        "size": len(fold.trained),
        "seed": seed,
        "data": fold.trained_on,
        "pretrained_on": arm.config.trained_on if arm else None,
        "training": _training(fold),
        "trained": _trained(fold),
        "weights": file_sha256(fold.weights),
        "crops": [digest(test)],
    }
    key = f"{FINETUNED}_{encoder}_{len(fold.trained)}_{seed}"
    return kept(out, key, identity, lambda: tested(test, predict(fold, test, device)[0]))


def _training(fold: TrainedFold) -> dict[str, Any]:
    """The settings that trainings of one comparison share: all but start and seed."""
    settings = copy.deepcopy(fold.settings)
    del settings["model"]["backbone"]["weights"], settings["train"]["seed"]
    return settings


def _trained(fold: TrainedFold) -> str:
    """SHA-256 of whom it was trained on, and of their crops."""
    text = "\n".join(f"{name} {fold.crops.get(name)}" for name in sorted(fold.trained))
    return hashlib.sha256(text.encode()).hexdigest()


def _start(fold: TrainedFold) -> PretrainedArm | None:
    """What a training's encoder started from; None: at random."""
    weights = str(fold.settings["model"].get("backbone", {}).get("weights"))
    if weights == "none":
        return None
    if not weights.startswith(NAVIGATION):
        raise InputError(
            f"started from '{weights}'",
            file=fold.weights,
            expected="model.backbone.weights none or navigation:PATH",
        )
    path = Path(weights.removeprefix(NAVIGATION))
    return read_arm(path if path.is_dir() else path.parent)
