"""Whether predictions follow the actions: told and mistold ones compared, on unseen patients.

A dynamics model can do well and ignore its actions, since neighbouring slices are alike. The gap is
the error with each clip's own actions less the error with another clip's; below 0 the model uses
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from MRNLib.navigation.clips import make_clips
from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.dynamics import Dynamics
from MRNLib.navigation.losses import derangement, latent_errors
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.navigation.volumes import Volume
from MRNLib.training.acceleration import autocast, resolved_precision
from MRNLib.training.sampling import generator_for

DRAWS = 2000
# What the model is told of the action, or that no model is asked: the same slice again.
TOLD = ("aligned", "shuffled", "zeroed", "copied")
# Apart from the seeds of the training's batches, whose second number is a step.
UNSEEN = 2**32

Array = NDArray[np.float64]


def split_patients(
    volumes: Sequence[Volume], share: float, seed: int
) -> tuple[list[Volume], list[Volume]]:
    """Volumes to learn from and volumes held out; those of one patient stay together.

    Args:
        volumes: All.
        share: Of the patients, held out: at least one of two or more, unless it is 0.
        seed: Of the draw.
    """
    names = sorted({one.name for one in volumes})
    count = number_held_out(len(names), share)
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = {names[place] for place in order[:count]}
    return (
        [one for one in volumes if one.name not in held_out],
        [one for one in volumes if one.name in held_out],
    )


def number_held_out(patients: int, share: float) -> int:
    """How many of some patients are held out: at least one of two or more, unless share is 0."""
    return max(1, round(share * patients)) if share and patients > 1 else 0


@torch.no_grad()
def clip_errors(
    tokenizer: Tokenizer,
    dynamics: Dynamics,
    volume: Volume,
    config: NavigationConfig,
    seeds: Sequence[int],
) -> tuple[tuple[str, ...], dict[str, Array]]:
    """Errors of the next frame's latents (L1, teacher forcing) in clips of one volume.

    Args:
        tokenizer: Frozen.
        dynamics: In evaluation mode, on the same device.
        volume: Where the clips are from.
        config: Clips and precision.
        seeds: One for each of two or more clips.

    Returns:
        Each clip's kind of path; and ``[clips]`` errors for the clip's own actions (``aligned``),
        another clip's (``shuffled``), none (``zeroed``), and of predicting the same frame again
        (``copied``).
    """
    device = next(dynamics.parameters()).device
    clips = make_clips([volume], config.clips, seeds, device)
    partners = derangement(len(seeds), generator_for(seeds[0])).to(device)
    told = {
        "aligned": clips.actions,
        "shuffled": clips.actions[partners],
        "zeroed": torch.zeros_like(clips.actions),
    }
    with autocast(device, resolved_precision(config.train.precision, device)):
        latents = tokenizer.latents(clips.frames).float()
        predicted = {name: dynamics(latents[:, :-1], one).float() for name, one in told.items()}
    predicted["copied"] = latents[:, :-1]
    return clips.kinds, {
        name: latent_errors(one, latents[:, 1:]).double().cpu().numpy()
        for name, one in predicted.items()
    }


def held_out_gap(
    tokenizer: Tokenizer,
    dynamics: Dynamics,
    volumes: Sequence[Volume],
    config: NavigationConfig,
) -> dict[str, Any] | None:
    """The errors on volumes that no step has seen, and the gap with its interval.

    Args:
        tokenizer: Frozen.
        dynamics: In evaluation mode, on the same device.
        volumes: Held out; without any there is no gap.
        config: Clips, their number, seed and precision.

    Returns:
        JSON values: ``by_patient``: by patient and kind of path how many ``clips`` and their mean
        errors; ``errors`` (mean over patients), ``aligned_minus_shuffled``, its 95 % ``interval``
        by drawing patients anew (None with fewer than two), how many ``patients`` and ``clips``,
        and what the model was ``trained_on``.
    """
    by_patient: dict[str, list[tuple[tuple[str, ...], dict[str, Array]]]] = {}
    for place, volume in enumerate(volumes):
        seeds = [
            generator_for(config.train.seed, UNSEEN + place, clip).initial_seed()
            for clip in range(config.held_out.clips)
        ]
        errors = clip_errors(tokenizer, dynamics, volume, config, seeds)
        by_patient.setdefault(volume.name, []).append(errors)
    if not by_patient:
        return None
    kept = {name: _by_kind(found) for name, found in by_patient.items()}
    means = {told: np.array([mean_error(one, told) for one in kept.values()]) for told in TOLD}
    gaps = means["aligned"] - means["shuffled"]
    return {
        "trained_on": config.trained_on,
        "patients": len(kept),
        "clips": config.held_out.clips * len(volumes),
        "errors": {name: float(one.mean()) for name, one in means.items()},
        "aligned_minus_shuffled": float(gaps.mean()),
        "interval": interval_of_mean(gaps, config.train.seed),
        "by_patient": kept,
    }


def _by_kind(found: Sequence[tuple[tuple[str, ...], dict[str, Array]]]) -> dict[str, Any]:
    """One patient's clips of all volumes: by kind of path, how many and their mean errors."""
    kinds = np.concatenate([one for one, _ in found])
    errors = {told: np.concatenate([one[told] for _, one in found]) for told in TOLD}
    return {
        kind: {
            "clips": int((kinds == kind).sum()),
            **{told: float(one[kinds == kind].mean()) for told, one in errors.items()},
        }
        for kind in sorted({*kinds.tolist()})
    }


def mean_error(by_kind: Mapping[str, Mapping[str, float]], told: str) -> float:
    """One patient's mean error over all clips, of one of :data:`TOLD`."""
    clips = sum(one["clips"] for one in by_kind.values())
    return sum(one["clips"] * one[told] for one in by_kind.values()) / clips


def interval_of_mean(
    values: Array, seed: int, weights: Array | None = None
) -> tuple[float, float] | None:
    """95 % percentile interval of a mean by drawing ``[N]`` values anew; None for fewer than 2.

    Args:
        values: ``[N]``.
        seed: Of the draws.
        weights: ``[N]``: the sum of the values is divided by that of these, of the same draw,
            instead of by their number.
    """
    if len(values) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    means = values[drawn].mean(axis=1)
    if weights is not None:
        means /= weights[drawn].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
