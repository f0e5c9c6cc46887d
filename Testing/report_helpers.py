"""A small patient of blocks and an examination of it, for the tests of the report."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from MRNLib import biomarkers, robustness
from MRNLib.anatomy import MASKINGS, QSM_NUCLEI, ROIS
from MRNLib.examination import (
    Calibration,
    Examination,
    FoldResult,
    RoiSummary,
)
from MRNLib.report import ReportImages
from MRNLib.rois import boxes_from_masks

SPACING = (1.5, 1.5, 3.0)


@cache
def images() -> ReportImages:
    """A box of brain with one block per nucleus and side; the right lies at low i."""
    rng = np.random.default_rng(5)
    shape = (12, 64, 48)
    qsm = np.zeros(shape, np.float32)
    qsm[:, 4:60, 4:44] = rng.normal(0, 20, (12, 56, 40))
    nm = rng.normal(1000, 30, shape).astype(np.float32)
    qsm_mask, nm_mask = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for number, item in enumerate(QSM_NUCLEI):
        row = 8 + 6 * number
        qsm_mask[5:8, row : row + 4, 14:19] = item.right
        qsm_mask[5:8, row : row + 4, 29:34] = item.left
    qsm[qsm_mask > 0] += 120
    nm_mask[5:8, 39:43, 15:20] = 1
    nm_mask[5:8, 39:43, 28:33] = 2
    nm[nm_mask > 0] += 80
    return ReportImages(qsm, nm, qsm_mask, nm_mask, SPACING)


def examination(**changes: Any) -> Examination:
    """An examination of :func:`images` with plausible numbers."""
    shown = images()
    rois = boxes_from_masks(shown.qsm_mask, shown.nm_mask, SPACING, keep_largest=False)
    weights = {"NM": 0.3, "QSM1": 0.05, "QSM2": 0.1, "QSM3": -0.02}
    masking = robustness.maskings(lambda masked: 0.8 - sum(weights[name] for name in masked))
    assert tuple(row.masked for row in masking) == MASKINGS
    jitter = robustness.jitter(0.8, {1: [0.79, 0.8, 0.82, 0.78], 2: [0.7, 0.84, 0.45, 0.8]})
    measured = biomarkers.measure(shown.qsm, shown.nm, shown.qsm_mask, shown.nm_mask, shown.spacing)
    values: dict[str, Any] = {
        "identifier": "case <1>",
        "probability_pd": 0.8,
        "decision": "PD",
        "headline": "P(PD) = 0.80: Parkinson's disease more likely.",
        "folds": (FoldResult(0, 0.75), FoldResult(1, 0.85)),
        "spread": 0.05,
        "calibration": Calibration(1.3, 0.4, 0.6, "validation cases"),
        "masking": masking,
        "jitter": jitter,
        "robustness": robustness.summary(masking, jitter),
        "rois": tuple(
            RoiSummary(
                definition.name,
                definition.modality,
                tuple(item.key for item in definition.nuclei),
                str(rois[definition.name].box),
                rois[definition.name].slices,
                rois[definition.name].size_mm,
                True,
                False,
                True,
            )
            for definition in ROIS
        ),
        "biomarkers": measured,
        "trained_on": "human",
        "phantom": False,
        "warnings": ("QSM was in ppm & was converted.",),
        "provenance": {"software": {"MRNLib": "0"}, "size": [48, 64, 12], "bundle": None},
    }
    return Examination(**{**values, **changes})
