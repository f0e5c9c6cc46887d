"""A whole MRN, trained from an encoder of slice navigation, tested beside the frozen ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError
from MRNLib.models.config import NAVIGATION
from MRNLib.models.weights import file_sha256
from MRNLib.navigation.measuring.labelcells import digest, tested
from MRNLib.navigation.measuring.measuredcells import kept
from MRNLib.navigation.measuring.pretrainedarms import RANDOM_ENCODER, read_arm
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
        InputError: It has seen some, or started from something else than a navigation's encoder or
            at random.
    """
    refuse_shared(fold.trained, [one.identifier for one in test])
    encoder, start = _start(fold)
    seed = int(fold.settings["train"]["seed"])
    identity = {
        "kind": FINETUNED,
        "encoder": encoder,
        "start": start,
        "size": len(fold.trained),
        "seed": seed,
        "trained_on": fold.trained_on,
        "weights": file_sha256(fold.weights),
        "crops": [digest(test)],
    }
    key = f"{FINETUNED}_{encoder}_{len(fold.trained)}_{seed}"
    return kept(out, key, identity, lambda: tested(test, predict(fold, test, device)[0]))


def _start(fold: TrainedFold) -> tuple[str, str | None]:
    """Name and hash of what a training's encoder started from."""
    weights = str(fold.settings["model"].get("backbone", {}).get("weights"))
    if weights == "none":
        return RANDOM_ENCODER, None
    if not weights.startswith(NAVIGATION):
        raise InputError(
            f"started from '{weights}'",
            file=fold.weights,
            expected="model.backbone.weights none or navigation:PATH",
        )
    path = Path(weights.removeprefix(NAVIGATION))
    arm = read_arm(path if path.is_dir() else path.parent)
    return arm.encoder, arm.sha256
