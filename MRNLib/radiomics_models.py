"""The classical models on radiomics: logistic regression, a linear SVM, gradient-boosted trees.

Section 1 of arXiv 2509.17566 names them (its "LR" is linear regression; of a class it is logistic).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.errors import InputError
from MRNLib.radiomics import FeatureTable, missing_extra

MODELS = ("LR", "SVM", "XGBoost")
FOLDS = 5  # inside the training patients, for settings and Platt's scaling
# Of a class: the SVM's folds lie in folds, and seven less a fold's two are five.
FEWEST = 7
MARGIN_LIMIT = 1e-6


def make_model(name: str, seed: int = 1) -> Any:
    """An untrained scikit-learn model of ``MODELS`` from features to P(PD).

    For LR and SVM missing values become the training patients' median and features are
    standardised; their regularisation is chosen in folds of the training patients by AUC. The SVM
    is linear and its probability Platt's, from folds too.

    Raises:
        InputError: XGBoost is not installed.
        ValueError: Another name.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    before = (SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    if name == "LR":
        from sklearn.linear_model import LogisticRegression

        model = make_pipeline(*before, LogisticRegression(max_iter=5000))
        grid = {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1, 1.0]}
        return GridSearchCV(model, grid, scoring="roc_auc", cv=folds)
    if name == "SVM":
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.svm import SVC

        model = make_pipeline(*before, SVC(kernel="linear"))
        grid = {"svc__C": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]}
        search = GridSearchCV(model, grid, scoring="roc_auc", cv=folds)
        return CalibratedClassifierCV(search, method="sigmoid", cv=folds, ensemble=False)
    if name == "XGBoost":
        try:
            from xgboost import XGBClassifier
        except ImportError as error:
            raise missing_extra("xgboost") from error
        return XGBClassifier(
            n_estimators=300,
            learning_rate=0.03,
            max_depth=3,
            subsample=0.8,
            colsample_bytree=0.3,
            random_state=seed,
            n_jobs=1,
        )
    raise ValueError(f"the radiomics models are {', '.join(MODELS)}, not {name!r}")


def predicted_margins(
    name: str, training: FeatureTable, evaluation: FeatureTable, seed: int = 1
) -> NDArray[np.float64]:
    """Trains one model and applies it to other patients.

    Args:
        name: One of ``MODELS``.
        training: Patients to learn from, at least ``FEWEST`` of each class.
        evaluation: Patients to judge; features that the training lacks are left out.
        seed: Of folds and trees.

    Returns:
        ``[N]`` logit of P(PD), within about 14 of 0.

    Raises:
        InputError: Too few patients of a class, or XGBoost is not installed.
    """
    fewest = int(np.bincount(training.diagnoses, minlength=2).min())
    if fewest < FEWEST:
        raise InputError(
            f"The radiomics models cannot be trained: a class has {fewest} patients.",
            expected=f"at least {FEWEST} of each class, for their inner folds",
        )
    place = {feature: index for index, feature in enumerate(evaluation.names)}
    values = np.full((len(evaluation.values), len(training.names)), np.nan)
    for index, feature in enumerate(training.names):
        if feature in place:
            values[:, index] = evaluation.values[:, place[feature]]
    model = make_model(name, seed).fit(training.values, training.diagnoses)
    probability = np.clip(model.predict_proba(values)[:, 1], MARGIN_LIMIT, 1 - MARGIN_LIMIT)
    return np.log(probability / (1 - probability))
