"""How well a model in training separates held-out patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from MRNLib.models.mrn import Mrn
from MRNLib.training.dataset import CropDataset

_BATCH = 16


def area_under_curve(diagnoses: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Area under the ROC curve by ranks, ties counted half; NaN with one class only."""
    positive = diagnoses == 1
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


@torch.no_grad()
def probabilities(model: Mrn, dataset: CropDataset, indices: Sequence[int]) -> NDArray[np.float64]:
    """P(PD) of patients with their true boxes and no augmentation; the model's mode is put back."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(indices), _BATCH):
        samples = [dataset.plain(i).to(device) for i in indices[start : start + _BATCH]]
        logits = model([sample.stacks for sample in samples], segment=False).logits
        parts.append(logits.float().softmax(-1)[:, 1].double().cpu())
    model.train(was_training)
    return torch.cat(parts).numpy()


def evaluate(model: Mrn, dataset: CropDataset, indices: Sequence[int]) -> dict[str, float]:
    """AUC, accuracy at .5 and cross-entropy of some patients of a dataset."""
    scores = probabilities(model, dataset, indices)
    diagnoses = dataset.diagnoses[np.asarray(indices)]
    clipped = np.clip(scores, 1e-7, 1 - 1e-7)
    likelihood = np.where(diagnoses == 1, np.log(clipped), np.log(1 - clipped))
    return {
        "auc": area_under_curve(diagnoses, scores),
        "accuracy": float(np.mean((scores >= 0.5) == diagnoses)),
        "cross_entropy": float(-likelihood.mean()),
    }
