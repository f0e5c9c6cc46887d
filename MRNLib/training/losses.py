"""The training objectives: contrastive (Eq. 8), segmentation (10), classification (11), total (12).

All are computed in fp32 whatever autocast says: differences of large logits at a small temperature
do not survive bf16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from MRNLib.models.system import IGNORED_LABEL

ContrastiveForm = Literal["eq8", "supcon"]


def contrastive_loss(
    anchors: Tensor,
    anchor_labels: Tensor,
    keys: Tensor,
    key_labels: Tensor,
    *,
    temperature: float = 0.1,
    form: ContrastiveForm = "eq8",
    usable: Tensor | None = None,
) -> Tensor:
    """Multi-ROI supervised momentum contrast, paper Eq. 8.

    For anchor ``z``, positives ``p`` (same class) and negatives ``n`` (other class)

        loss(z) = mean_p softplus(logsumexp_n(z.n / tau) - z.p / tau)

    which is ``-log(exp(z.p/tau) / (exp(z.p/tau) + sum_n exp(z.n/tau)))``: only the own positive
    stands in the denominator. ``form="supcon"`` is SupCon's ``L_out`` (arXiv 2004.11362, Eq. 2),
    with all positives in it. Anchors without a positive or without a negative are skipped.

    Args:
        anchors: Student projections ``[A, D]``; made unit vectors here.
        anchor_labels: Classes ``[A]``.
        keys: Teacher projections ``[K, D]``, current and from the bank; no gradient flows into
            them.
        key_labels: Classes ``[K]``.
        temperature: tau.
        form: ``eq8`` or ``supcon``.
        usable: Boolean ``[A, K]``; ``False`` removes a key from an anchor's sums (its own patient).

    Returns:
        Mean over the anchors that count, a scalar; 0 with a graph when none does.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        unit_anchors = functional.normalize(_full(anchors), dim=1)
        unit_keys = functional.normalize(_full(keys.detach()), dim=1)
        similarity = unit_anchors @ unit_keys.T / temperature
        same = anchor_labels[:, None] == key_labels[None, :]
        allowed = torch.ones_like(same) if usable is None else usable
        positive, negative = same & allowed, ~same & allowed
        counts = positive.any(1) & negative.any(1)
        if not bool(counts.any()):
            return anchors.sum() * 0.0
        similarity, positive, negative = similarity[counts], positive[counts], negative[counts]
        if form == "eq8":
            rival = _logsumexp(similarity, negative)[:, None]
            per_key = functional.softplus(rival - similarity)
        else:
            rival = _logsumexp(similarity, positive | negative)[:, None]
            per_key = rival - similarity
        per_anchor = per_key.masked_fill(~positive, 0.0).sum(1) / positive.sum(1)
        return per_anchor.mean()


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights of Eq. 10: one minus the share of each class in the ROI volume.

    Args:
        labels: Integer classes of one ROI volume, any shape; :data:`IGNORED_LABEL` is left out.
        classes: Number of classes, background included.

    Returns:
        ``[classes]`` float32 in [0, 1].
    """
    counted = labels[labels != IGNORED_LABEL]
    share = torch.bincount(counted.reshape(-1), minlength=classes).float()
    return 1.0 - share / max(int(counted.numel()), 1)


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy of one ROI volume (Eq. 10), a plain mean over its pixels.

    torch's own ``weight=`` with ``reduction="mean"`` divides by the sum of the weights; the paper
    (after its ref. [4]) does not, so the reduction is done here.

    Args:
        logits: ``[S, classes, H, W]``.
        labels: ``[S, H, W]`` int64; :data:`IGNORED_LABEL` where padded.

    Returns:
        Scalar; 0 with a graph when every pixel is ignored.
    """
    with torch.autocast(logits.device.type, enabled=False):
        weights = class_weights(labels, logits.shape[1]).to(logits.device)
        per_pixel = functional.cross_entropy(
            _full(logits),
            labels,
            weight=weights.to(_full(logits).dtype),
            reduction="none",
            ignore_index=IGNORED_LABEL,
        )
        return per_pixel.sum() / (labels != IGNORED_LABEL).sum().clamp(min=1)


def mean_segmentation_loss(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Mean of :func:`segmentation_loss` over ROI volumes, each weighted by its own class shares."""
    losses = [segmentation_loss(one, target) for one, target in zip(logits, labels, strict=True)]
    return torch.stack(losses).mean()


def classification_loss(logits: Tensor, diagnoses: Tensor) -> Tensor:
    """Cross-entropy of Eq. 11: logits ``[B, 2]`` against diagnoses ``[B]`` (0 HC, 1 PD)."""
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(_full(logits), diagnoses)


@dataclass(frozen=True)
class LossParts:
    """The three losses of one batch, ``None`` where a phase leaves one out."""

    segmentation: Tensor | None
    contrastive: Tensor | None
    classification: Tensor | None

    def total(self, lambda_segmentation: float, lambda_contrastive: float) -> Tensor:
        """Eq. 12: classification + lambda_seg * segmentation + lambda_con * contrastive."""
        weighted = (
            (self.classification, 1.0),
            (self.segmentation, lambda_segmentation),
            (self.contrastive, lambda_contrastive),
        )
        terms = [part * weight for part, weight in weighted if part is not None]
        return torch.stack(terms).sum()

    def values(self) -> dict[str, float]:
        """The losses as numbers, for the log."""
        parts = {
            "segmentation": self.segmentation,
            "contrastive": self.contrastive,
            "classification": self.classification,
        }
        return {name: float(part.detach()) for name, part in parts.items() if part is not None}


def linear_ramp(step: int, ramp_steps: int) -> float:
    """Factor that grows from 1/ramp_steps to 1 over ``ramp_steps`` steps and stays there."""
    return 1.0 if ramp_steps <= 0 else min((step + 1) / ramp_steps, 1.0)


def _full(values: Tensor) -> Tensor:
    """fp32, or fp64 where it already is (gradient checks)."""
    return values if values.dtype == torch.float64 else values.float()


def _logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, -torch.inf).logsumexp(1)
