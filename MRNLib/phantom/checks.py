"""Whether the digital patients are what they claim: where the class shows and where it must not.

Scikit-learn is imported when a classifier is needed, so that making phantoms does without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from MRNLib.anatomy import NUCLEI
from MRNLib.phantom.geometry import Anatomy, mean_anatomy
from MRNLib.phantom.grid import Grid
from MRNLib.phantom.measure import image_measurements
from MRNLib.phantom.patient import Phantom, generate
from MRNLib.phantom.pose import Pose
from MRNLib.phantom.shapes import SHAPES

# Blocks of voxels, [k, j, i], whose means make the coarse picture of a blanked image.
BLOCK = (6, 16, 16)


@dataclass(frozen=True)
class Record:
    """What the checks need of one patient.

    Attributes:
        pd: Whether the truth is Parkinson's disease.
        measurements: :func:`MRNLib.phantom.measure.image_measurements` inside the true masks.
        neuromelanin: Mean NM signal per nucleus, both sides, relative to
            :func:`MRNLib.phantom.measure.oracle_reference`.
        neuromelanin_outside: The same without the voxels that NM-SN's label covers; for NM-SN
            itself the whole label.
        covered: Share of each nucleus's voxels that NM-SN's label covers.
        volumes: mm3 per label, QSM then NM.
        shapes: Centroid and spread of every label, voxels.
        blanked: Coarse picture of QSM and NM with every label blanked.
    """

    pd: bool
    measurements: dict[str, float]
    neuromelanin: dict[str, float]
    neuromelanin_outside: dict[str, float]
    covered: dict[str, float]
    volumes: np.ndarray
    shapes: np.ndarray
    blanked: np.ndarray


def record(seed: int) -> Record:
    """Makes the patient of ``seed`` (the deep grey matter only) and takes what the checks need."""
    return record_of(generate(seed, modalities=("QSM", "NM"), region="deep-grey"))


def record_of(phantom: Phantom) -> Record:
    """What the checks need of a patient that was made already, with QSM and NM."""
    qsm, nm = _both(phantom)
    measured = image_measurements(qsm, nm, phantom.qsm_mask, phantom.nm_mask, phantom.spacing)
    masks = {"QSM": phantom.qsm_mask, "NM": phantom.nm_mask}
    nigra = phantom.nm_mask > 0
    reference = nm[nigra].mean() / measured["nm mean"]
    signal, outside, covered, volumes, shapes = {}, {}, {}, [], []
    for nucleus in NUCLEI:
        labels = (nucleus.right, nucleus.left)
        where = np.isin(masks[nucleus.modality], labels)
        signal[nucleus.key] = float(nm[where].mean() / reference)
        clear = where if nucleus.modality == "NM" else where & ~nigra
        outside[nucleus.key] = float(nm[clear].mean() / reference)
        covered[nucleus.key] = float(nigra[where].mean())
        for label in labels:
            found = np.argwhere(masks[nucleus.modality] == label)
            volumes.append(len(found) * float(np.prod(phantom.spacing)))
            shapes.append(np.concatenate([found.mean(axis=0), found.std(axis=0)]))
    return Record(
        phantom.truth.diagnosis == "PD",
        measured,
        signal,
        outside,
        covered,
        np.array(volumes),
        np.concatenate(shapes),
        blanked_picture(phantom),
    )


def _both(phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    if phantom.qsm is None or phantom.nm is None:
        raise ValueError("the checks need QSM and NM")
    return phantom.qsm, phantom.nm


def blanked_picture(phantom: Phantom) -> np.ndarray:
    """Block means of QSM and NM after every label was replaced by the image's median."""
    qsm, nm = _both(phantom)
    labelled = (phantom.qsm_mask > 0) | (phantom.nm_mask > 0)
    pictures = []
    for image in (qsm, nm):
        values = image.astype(np.float32)
        middle = float(np.median(values[~labelled & (values != 0)]))
        values[labelled] = middle
        k, j, i = (size // step for size, step in zip(values.shape, BLOCK, strict=True))
        cut = values[: k * BLOCK[0], : j * BLOCK[1], : i * BLOCK[2]]
        blocks = cut.reshape(k, BLOCK[0], j, BLOCK[1], i, BLOCK[2]).mean(axis=(1, 3, 5))
        pictures.append(blocks.ravel() / middle if image is nm else blocks.ravel())
    return np.concatenate(pictures)


def cross_validated_auc(
    features: np.ndarray, labels: Sequence[bool] | np.ndarray, components: int | None = None
) -> float:
    """AUC of a logistic regression, five folds, scores pooled.

    Args:
        features: [patients, numbers]; a column that never varies is harmless.
        labels: True for Parkinson's disease.
        components: Reduce to so many principal components first; None keeps all numbers.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [StandardScaler()]
    if components is not None:
        most = min(components, int(0.7 * len(features)))
        steps.append(PCA(most, random_state=0))
    model = make_pipeline(*steps, LogisticRegression(C=0.3, max_iter=5000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
    return float(roc_auc_score(labels, scores[:, 1]))


def auc_error(auc: float, labels: Sequence[bool] | np.ndarray) -> float:
    """Standard error of an AUC over patients drawn anew (Hanley and McNeil 1982)."""
    pd = int(np.sum(labels))
    hc = len(labels) - pd
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (pd - 1) * (first - auc**2) + (hc - 1) * (second - auc**2)
    return float(np.sqrt((auc * (1 - auc) + spread) / (pd * hc)))


def measurement_matrix(records: Iterable[Record]) -> np.ndarray:
    """Image measurements as [patients, numbers]."""
    return np.array([list(item.measurements.values()) for item in records])


def dice_of_mean_shapes(
    qsm_mask: np.ndarray,
    nm_mask: np.ndarray,
    spacing: tuple[float, float, float],
    own_centroids: bool = False,
) -> dict[str, float]:
    """How well the mean shapes, placed in a head's own frame, meet its nuclei.

    The frame's origin is the mean of the 16 QSM centroids; its yaw and roll come from the line
    through the right and left centroids of each nucleus. Size and shape stay the mean ones.

    Args:
        qsm_mask: Labels 0 to 16, [k, j, i], j to anterior, all labels present.
        nm_mask: Labels 0 to 2.
        spacing: Voxel size (i, j, k), mm.
        own_centroids: Move each shape onto its nucleus's own centroid, to whole voxels: shape
            alone.

    Returns:
        Dice per nucleus, mean of both sides.
    """
    shape = (qsm_mask.shape[0], qsm_mask.shape[1], qsm_mask.shape[2])
    anatomy = mean_anatomy(Grid(shape, spacing), frame_of(qsm_mask, spacing))
    masks = {"QSM": (qsm_mask, anatomy.qsm_mask), "NM": (nm_mask, anatomy.nm_mask)}
    result = {}
    for nucleus in NUCLEI:
        real, model = masks[nucleus.modality]
        scores = []
        for label in (nucleus.right, nucleus.left):
            true, mean = real == label, model == label
            if own_centroids:
                gap = np.argwhere(true).mean(axis=0) - np.argwhere(mean).mean(axis=0)
                mean = np.roll(mean, np.rint(gap).astype(int), axis=(0, 1, 2))
            scores.append(_dice(true, mean))
        result[nucleus.key] = float(np.mean(scores))
    return result


def frame_of(qsm_mask: np.ndarray, spacing: tuple[float, float, float]) -> Pose:
    """The anatomical frame of a QSM mask that holds all 16 labels."""
    step = np.array(spacing)
    centroids = np.array(
        [np.argwhere(qsm_mask == label).mean(axis=0)[::-1] * step for label in range(1, 17)]
    )
    across = (centroids[1::2] - centroids[0::2]).sum(axis=0)
    yaw = float(np.arctan2(across[1], across[0]))
    roll = float(np.arctan2(across[2], np.hypot(across[0], across[1])))
    pose = Pose(np.zeros(3), 1.0, yaw, roll)
    mean = np.mean([np.array(SHAPES[n.key].centroid) * (0, 1, 1) for n in NUCLEI[:8]], axis=0)
    return Pose(centroids.mean(axis=0) - pose.to_volume(mean), 1.0, yaw, roll)


def overlap_share(anatomy: Anatomy, between: Collection[str] | None = None) -> float:
    """Share of the QSM nuclei's voxels that two nuclei would claim if overlaps stayed.

    Args:
        anatomy: Where the nuclei are.
        between: Count only what these nuclei claim of each other, as a share of all voxels.
    """
    claims = np.zeros(anatomy.qsm_mask.shape, np.uint8)
    counted = np.zeros_like(claims)
    for item in anatomy.structures:
        if item.nucleus.modality == "QSM":
            claims[item.box] += item.occupancy > 0.35
            if between is None or item.nucleus.key in between:
                counted[item.box] += item.occupancy > 0.35
    return float((counted > 1).sum() / (claims > 0).sum())


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))
