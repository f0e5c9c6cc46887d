"""What a frozen encoder's tokens tell a linear model of the diagnosis: nothing else has to learn.

A large network behind an encoder may fail to learn from few labels whatever the encoder holds; a
logistic regression is the plainer question, whether it is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import ROI_NAMES
from MRNLib.navigation.measuring.slicetokens import EncodedPatient, EncodedRoi

# Inverse penalties to choose from.
STRENGTHS = np.logspace(-4, 0, 9)
FOLDS = 5


def pooled_tokens(patients: Sequence[EncodedPatient]) -> NDArray[np.float64]:
    """``[N, ROIs * 3 C]``: of each ROI the slice tokens' mean, and the patches' mean and maximum.

    Patches are those of the encoder's last map, of all slices together.
    """
    return np.array(
        [np.concatenate([_pooled(patient[name]) for name in ROI_NAMES]) for patient in patients]
    )


def _pooled(roi: EncodedRoi) -> NDArray[np.float64]:
    patches = roi.patch_maps[-1].transpose(0, 1).flatten(1)
    parts = (roi.slice_tokens.mean(0), patches.mean(1), patches.amax(1))
    return np.concatenate([one.double().numpy() for one in parts])


def linear_margins(
    learned: Sequence[EncodedPatient],
    diagnoses: NDArray[np.int64],
    tested: Sequence[EncodedPatient],
    seed: int,
) -> NDArray[np.float64]:
    """Log-odds of PD of the patients tested, ``[N]``.

    Logistic regression on standardised :func:`pooled_tokens`, its penalty chosen by the AUC of a
    cross-validation among those learned from.

    Args:
        learned: Two of each class or more.
        diagnoses: Theirs, ``[M]``.
        tested: Others.
        seed: Of the cross-validation's folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(FOLDS, int(np.bincount(diagnoses, minlength=2).min()))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        {"logisticregression__C": STRENGTHS},
        scoring="roc_auc",
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
    )
    search.fit(pooled_tokens(learned), diagnoses)
    return search.decision_function(pooled_tokens(tested))
