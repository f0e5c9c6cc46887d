"""Where a slice lies and which plane it is: read linearly. (Of two slices: ``pairprobes``.)

Ridge regression on frozen features, its strength chosen by cross-validation that leaves whole
patients out. A rotation is regressed as its nine numbers, of which the nearest rotation is taken
(by SVD): angles would jump where a turn is complete, and matrices do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from MRNLib.navigation.poses import (
    LOG_SCALE,
    PLANES,
    ROTATION,
    TRANSLATION,
    Poses,
    matrix_from_vector,
    vector_from_matrix,
)

# Half decades: with whole ones the choice jumps about the best, and arms would seem to differ.
STRENGTHS = (1e-2, 1.0, *np.logspace(1, 7, 13))
INVERSE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
FOLDS = 3
# A place's parts by the unit of their errors: centre, rotation, log-scale.
UNITS = ("mm", "degrees", "log_scale")

Array = NDArray[np.float64]
Grid = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Places:
    """Targets of N samples: where a slice lies, or where from one slice another lies.

    Attributes:
        centre: ``[N, 3]`` mm.
        rotation: ``[N, 3, 3]``.
        log_scale: ``[N, 1]``.
    """

    centre: Array
    rotation: Array
    log_scale: Array

    @classmethod
    def of_slices(cls, poses: Poses) -> Places:
        """Of slices themselves, ``[B, T]`` poses, as B * T samples."""
        return cls(
            poses.centre.flatten(0, 1).numpy(),
            poses.rotation.flatten(0, 1).numpy(),
            poses.log_scale.reshape(-1, 1).numpy(),
        )

    @classmethod
    def of_actions(cls, actions: Tensor) -> Places:
        """Of N pairs by the action ``[N, 7]`` from the first to the second."""
        turn = matrix_from_vector(actions[:, ROTATION])
        return cls(actions[:, TRANSLATION].numpy(), turn.numpy(), actions[:, LOG_SCALE].numpy())

    def parts(self) -> tuple[Array, Array, Array]:
        """Three blocks of columns to regress."""
        return self.centre, self.rotation.reshape(-1, 9), self.log_scale

    @classmethod
    def of_parts(cls, centre: Array, rotation: Array, log_scale: Array) -> Places:
        """From what was regressed: nine numbers become the nearest rotation."""
        return cls(centre, nearest_rotations(rotation.reshape(-1, 3, 3)), log_scale)

    def errors(self, true: Places) -> dict[str, Array]:
        """``[N]`` each: ``mm`` (Euclidean), ``degrees`` (geodesic), ``log_scale`` (absolute)."""
        blocks = zip(UNITS, self.parts(), true.parts(), strict=True)
        return {unit: part_errors(unit, found, wanted) for unit, found, wanted in blocks}


def part_errors(unit: str, found: Array, true: Array) -> Array:
    """``[N]`` errors of one part of places, blocks of columns as :meth:`Places.parts` gives them.

    Args:
        unit: One of :data:`UNITS`.
        found: What was read; of nine numbers the nearest rotation is taken.
        true: What it should be.
    """
    if unit != "degrees":
        return np.linalg.norm(found - true, axis=1)
    one, other = (nearest_rotations(block.reshape(-1, 3, 3)) for block in (found, true))
    turn = torch.from_numpy(np.swapaxes(one, 1, 2) @ other)
    return np.rad2deg(torch.linalg.vector_norm(vector_from_matrix(turn), dim=-1).numpy())


def nearest_rotations(matrices: Array) -> Array:
    """The rotations ``[N, 3, 3]`` nearest to any matrices (orthogonal Procrustes, det + 1)."""
    u, _, vh = np.linalg.svd(matrices)
    signs = np.ones((len(matrices), 3))
    signs[:, 2] = np.linalg.det(u @ vh)
    return (u * signs[:, None]) @ vh


def ridge_places(train: Grid, targets: Places, patients: Sequence[str], test: Grid) -> Places:
    """Places read from features.

    Args:
        train: ``[N, F]`` features to learn from.
        targets: Their N places.
        patients: Whose they are: none is on both sides of a fold.
        test: ``[M, F]``.
    """
    return Places.of_parts(*ridge_parts(train, targets.parts(), patients, test))


def ridge_parts(
    train: Grid, parts: Sequence[Array], patients: Sequence[str], test: Grid
) -> list[Array]:
    """Blocks of columns read from features, each with a strength of its own.

    Args:
        train: ``[N, F]`` features to learn from.
        parts: ``[N, C]`` each.
        patients: Whose they are: none is on both sides of a fold.
        test: ``[M, F]``.

    Returns:
        ``[M, C]`` each.
    """
    from scipy.linalg import LinAlgWarning

    with warnings.catch_warnings():
        # The weakest strengths can be too weak to solve with; others are chosen then.
        warnings.simplefilter("ignore", LinAlgWarning)
        chosen = _strengths(train, parts, patients)
        models = {alpha: _ridge(alpha).fit(train, np.hstack(parts)) for alpha in {*chosen}}
    shape = len(test), sum(part.shape[1] for part in parts)
    # A single column comes back flat.
    predicted = {
        alpha: np.asarray(one.predict(test), float).reshape(shape) for alpha, one in models.items()
    }
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    return [np.split(predicted[alpha], ends, axis=1)[n] for n, alpha in enumerate(chosen)]


def _ridge(alpha: float):  # type: ignore[no-untyped-def]
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha))


def _strengths(train: Grid, parts: Sequence[Array], patients: Sequence[str]) -> list[float]:
    """The strength of each part that leaves the least squared error on left-out patients."""
    from sklearn.model_selection import cross_val_predict

    losses = []
    for alpha in STRENGTHS:
        # All parts at once: most of the work is the features'.
        found = cross_val_predict(
            _ridge(alpha), train, np.hstack(parts), cv=patient_folds(patients)
        )
        wanted = np.hstack(parts)
        error = (found.reshape(wanted.shape) - wanted) ** 2
        ends = np.cumsum([part.shape[1] for part in parts])[:-1]
        losses.append([part.mean() for part in np.split(error, ends, axis=1)])
    return [STRENGTHS[n] for n in np.argmin(losses, axis=0)]


def patient_folds(patients: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions to learn from and left out ``[(learned, left)]``, patients whole."""
    from sklearn.model_selection import GroupKFold

    number = min(FOLDS, len({*patients}))
    return list(GroupKFold(number).split(np.zeros(len(patients)), groups=np.array(patients)))


def nearest_planes(rotation: Array) -> NDArray[np.int64]:
    """Which of ``PLANES`` each slice ``[N, 3, 3]`` is nearest to, by its normal."""
    normals = np.stack([plane[:, 2].numpy() for plane in PLANES.values()])
    return np.abs(rotation[:, :, 2] @ normals.T).argmax(axis=1)


def plane_classes(
    train: Grid, planes: NDArray[np.int64], patients: Sequence[str], test: Grid
) -> NDArray[np.int64]:
    """Planes ``[M]`` read from features ``[M, F]`` by logistic regression.

    Args:
        train: ``[N, F]`` features to learn from.
        planes: ``[N]`` their planes.
        patients: Whose they are.
        test: ``[M, F]``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-3))
    grid = {"logisticregression__C": INVERSE_STRENGTHS}
    return GridSearchCV(model, grid, cv=patient_folds(patients)).fit(train, planes).predict(test)
