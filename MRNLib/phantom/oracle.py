"""How well the class can be told at best: the linear reading of the latent state, in closed form.

Both classes are Gaussian with one covariance, so Fisher's discriminant is the best reading there
is, and its AUC is Phi(D / sqrt 2) with D the Mahalanobis distance between the classes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from scipy.special import ndtr

from MRNLib.anatomy import ROI_NAMES
from MRNLib.phantom.truth import (
    FEATURES,
    REGION_FEATURES,
    Truth,
    class_effects,
    correlation_matrix,
    latent_matrix,
)

ASYMMETRY_REGIONS = frozenset({"NM", "QSM2"})


def visible_features(without: Collection[str] = ()) -> tuple[int, ...]:
    """Indices of the latent features that remain when some regions of interest are masked.

    Args:
        without: Names of masked regions (``NM``, ``QSM1``, ``QSM2``, ``QSM3``).

    Raises:
        ValueError: an unknown region.
    """
    if unknown := set(without) - set(ROI_NAMES):
        raise ValueError(f"regions are {ROI_NAMES}, not {sorted(unknown)}")
    hidden = {name for region in without for name in REGION_FEATURES[region]}
    if set(without) >= ASYMMETRY_REGIONS:
        hidden.add("asymmetry")
    return tuple(i for i, name in enumerate(FEATURES) if name not in hidden)


def _discriminant(kept: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Class effects and discriminant weights of the features kept."""
    index = list(kept)
    effects = class_effects()[index]
    covariance = correlation_matrix()[np.ix_(index, index)]
    return effects, np.linalg.solve(covariance, effects)


def latent_oracle(truths: Iterable[Truth], without: Collection[str] = ()) -> np.ndarray:
    """The best possible probability of Parkinson's disease, from the truth itself.

    Args:
        truths: Patients.
        without: Regions of interest whose features may not be used.

    Returns:
        One probability per patient, [patients]; the prior is one half.
    """
    kept = visible_features(without)
    states = latent_matrix(truths)
    if not kept:
        return np.full(len(states), 0.5)
    effects, weights = _discriminant(kept)
    log_odds = (states[:, list(kept)] - effects / 2) @ weights
    return 1 / (1 + np.exp(-log_odds))


def expected_auc(without: Collection[str] = ()) -> float:
    """The oracle's AUC over infinitely many patients."""
    return float(ndtr(_distance(without) / np.sqrt(2)))


def expected_accuracy(without: Collection[str] = ()) -> float:
    """The oracle's accuracy at a probability of one half, over infinitely many patients."""
    return float(ndtr(_distance(without) / 2))


def _distance(without: Collection[str]) -> float:
    kept = visible_features(without)
    if not kept:
        return 0.0
    effects, weights = _discriminant(kept)
    return float(np.sqrt(effects @ weights))
