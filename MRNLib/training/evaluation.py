"""How well a model in training separates held-out patients."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_expit

from MRNLib.metrics import area_under_curve
from MRNLib.models.system import System
from MRNLib.training.dataset import CropDataset

_BATCH = 16


@torch.no_grad()
def margins(
    model: System,
    dataset: CropDataset,
    indices: Sequence[int],
    *,
    masked: Collection[str] = (),
    mirrored: bool = False,
) -> NDArray[np.float64]:
    """Logit of PD minus logit of HC, with true boxes and no augmentation.

    Args:
        model: Any system; its mode is put back.
        dataset: On the model's device.
        indices: Positions of N patients in it.
        masked: Regions to leave out (Table 4).
        mirrored: Left and right exchanged, for test-time augmentation.

    Returns:
        ``[N]``.
    """
    was_training = model.training
    model.eval()
    parts = [torch.zeros(0, dtype=torch.float64)]
    try:
        for start in range(0, len(indices), _BATCH):
            chosen = [int(index) for index in indices[start : start + _BATCH]]
            inputs = model.prepare(dataset.plain(chosen, masked=masked, mirrored=mirrored))
            logits = model([one.stacks for one in inputs], segment=False).logits
            assert logits is not None
            parts.append((logits[:, 1].double() - logits[:, 0].double()).cpu())
    finally:
        model.train(was_training)
    return torch.cat(parts).numpy()


def evaluate(model: System, dataset: CropDataset, indices: Sequence[int]) -> dict[str, float]:
    """AUC, accuracy at .5 and cross-entropy of some patients of a dataset."""
    scores = margins(model, dataset, indices)
    diagnoses = dataset.diagnoses[np.asarray(indices)]
    return {
        "auc": area_under_curve(diagnoses, scores),
        "accuracy": float(np.mean((scores >= 0) == diagnoses)),
        "cross_entropy": float(-log_expit(np.where(diagnoses == 1, scores, -scores)).mean()),
    }
