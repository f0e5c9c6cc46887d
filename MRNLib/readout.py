"""What the folds say about one patient: votes, the 16 maskings, and box jitter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MRNLib import robustness
from MRNLib.anatomy import ROIS
from MRNLib.boxes import Box
from MRNLib.classifier import Classifier, PatientCrops, patient_crops
from MRNLib.examination import Jitter, Masking
from MRNLib.progress import Progress, part, silent


@dataclass(frozen=True)
class Readout:
    """Votes of one patient's folds and their robustness.

    Attributes:
        votes: Calibrated probability of PD of every fold.
        masking: The 16 rows of Table 4.
        jitter: Box jitter by distance, or empty.
        encoded: ROIs for whose unmoved box a token had to be computed.
    """

    votes: NDArray[np.float64]
    masking: tuple[Masking, ...]
    jitter: tuple[Jitter, ...]
    encoded: frozenset[str]

    @property
    def probability(self) -> float:
        """Mean of the votes."""
        return float(self.votes.mean())


def read_out(
    classifier: Classifier,
    qsm: NDArray[np.float32],
    nm: NDArray[np.float32],
    boxes: Mapping[str, Box | None],
    *,
    masked: Collection[str] = (),
    jitter: bool = True,
    progress: Progress = silent,
) -> Readout:
    """Classifies one patient and measures how robust the answer is.

    Args:
        classifier: The folds.
        qsm: Canonical susceptibility ``[k, j, i]`` in ppb.
        nm: NM volume on the same grid.
        boxes: Box of every ROI, None for an absent one.
        masked: ROIs left out on request.
        jitter: Whether the boxes are moved too.
        progress: Called between encodings; may raise Cancelled.
    """
    absent_shapes = classifier.bundle.manifest.absent_roi_shapes
    patient = patient_crops(qsm, nm, boxes, absent_shapes)
    encoded = _encode(classifier, patient, masked, part(progress, 0.0, 0.5))
    votes = classifier.fold_probabilities(patient, masked)
    rows = robustness.maskings(lambda more: classifier.probability(patient, {*masked, *more}))
    moves: tuple[Jitter, ...] = ()
    if jitter:
        moved: dict[int, list[float]] = {}
        steps = [(v, d) for v in robustness.JITTER_VOXELS for d in robustness.JITTER_DIRECTIONS]
        for number, (voxels, (i, j)) in enumerate(steps):
            progress(0.5 + 0.5 * number / len(steps), f"Moving the boxes by {voxels} voxel(s)")
            size = qsm.shape[::-1]
            shifted = {
                name: box and box.shift((i * voxels, j * voxels, 0), clip=size)
                for name, box in boxes.items()
            }
            neighbour = patient_crops(qsm, nm, shifted, absent_shapes)
            moved.setdefault(voxels, []).append(classifier.probability(neighbour, masked))
        moves = robustness.jitter(float(votes.mean()), moved)
    return Readout(votes, rows, moves, encoded)


def _encode(
    classifier: Classifier, patient: PatientCrops, masked: Collection[str], progress: Progress
) -> frozenset[str]:
    """Encodes each ROI, real and blank, and says for which one a real token was not known yet."""
    fresh = set()
    for number, roi in enumerate(ROIS):
        progress(number / len(ROIS), f"Encoding ROI {roi.name}")
        before = sum(classifier.computed.values())
        if roi.name not in masked and roi.name in patient.crops:
            classifier.encode(roi.name, patient)
        if sum(classifier.computed.values()) > before:
            fresh.add(roi.name)
        classifier.encode(roi.name, patient, masked=True)
    return frozenset(fresh)
