"""The training objectives: contrastive (Eq. 8), segmentation (10), classification (11), total (12).

All are computed in fp32 whatever autocast says: differences of large logits at a small temperature
do not survive bf16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from MRNLib.models.system import IGNORED_LABEL
from MRNLib.training.transfer import sent

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
    counted: Tensor | None = None,
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
        keys: Teacher projections ``[K, D]``, current and from the bank; they get no gradient.
        key_labels: Classes ``[K]``.
        temperature: tau.
        form: ``eq8`` or ``supcon``.
        usable: Boolean ``[A, K]``; ``False`` removes a key from an anchor's sums (its own patient).
        counted: How many anchors count in the whole batch (:func:`countable`), when these are a
            part of it; a scalar.

    Returns:
        Sum over the anchors that count over ``counted``, a scalar: their mean, when these are all;
        0 with a graph when none does.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        unit_anchors = functional.normalize(_full(anchors), dim=1)
        unit_keys = functional.normalize(_full(keys.detach()), dim=1)
        similarity = unit_anchors @ unit_keys.T / temperature
        positive, negative, counts = _pairs(anchor_labels, key_labels, usable)
        rivals = negative if form == "eq8" else positive | negative
        # Rows that do not count are computed with all keys, for finite gradients, and left out: to
        # pick the others would make a GPU report how many there are.
        rival = _logsumexp(similarity, rivals | ~counts[:, None])[:, None]
        difference = rival - similarity
        per_key = functional.softplus(difference) if form == "eq8" else difference
        sums = torch.where(positive, per_key, 0.0).sum(1)
        per_anchor = torch.where(counts, sums / positive.sum(1).clamp(min=1), 0.0)
        return per_anchor.sum() / (counts.sum() if counted is None else counted).clamp(min=1)


def countable(anchor_labels: Tensor, key_labels: Tensor, usable: Tensor | None = None) -> Tensor:
    """How many anchors have both a positive and a negative key; arguments as above, a scalar."""
    return _pairs(anchor_labels, key_labels, usable)[2].sum()


def _pairs(
    anchor_labels: Tensor, key_labels: Tensor, usable: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """``[A, K]`` bool: an anchor's usable positives, and negatives; ``[A]``: has it both."""
    same = anchor_labels[:, None] == key_labels[None, :]
    allowed = torch.ones_like(same) if usable is None else usable
    positive, negative = same & allowed, ~same & allowed
    return positive, negative, positive.any(1) & negative.any(1)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights of Eq. 10: one minus the share of each class in the ROI volume.

    Args:
        labels: Integer classes of one ROI volume, any shape; :data:`IGNORED_LABEL` is left out.
        classes: Number of classes, background included.

    Returns:
        ``[classes]`` float32 in [0, 1].
    """
    return _class_weights(_class_counts(labels.reshape(-1), [labels.numel()], classes))[0]


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
    return segmentation_sum([logits], [labels])


def segmentation_sum(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Sum of :func:`segmentation_loss` over ROI volumes of any sizes.

    Volumes with equally many classes are taken together: a batch has dozens of them, and each on
    its own is a dozen small operations.
    """
    kinds = sorted({one.shape[1] for one in logits})
    sums = []
    for classes in kinds:
        chosen = [place for place, one in enumerate(logits) if one.shape[1] == classes]
        sums.append(_sum_of_kind([logits[n] for n in chosen], [labels[n] for n in chosen]))
    return torch.stack(sums).sum()


def _sum_of_kind(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """:func:`segmentation_sum` of volumes with equally many classes."""
    with torch.autocast(logits[0].device.type, enabled=False):
        classes = logits[0].shape[1]
        sizes = [one.numel() for one in labels]
        joined = torch.cat([_full(one).movedim(1, 0).reshape(classes, -1) for one in logits], dim=1)
        target = torch.cat([one.reshape(-1) for one in labels])
        per_pixel = functional.cross_entropy(
            joined[None], target[None], reduction="none", ignore_index=IGNORED_LABEL
        )[0]
        counts = _class_counts(target, sizes, classes)
        pixels = counts.sum(1, keepdim=True).clamp(min=1)
        # Eq. 10's weight of a class over the volume's pixels, for each volume.
        factors = (_class_weights(counts) / pixels).to(joined.dtype).flatten()
        volume = _volume_of(sizes, target.device)
        return (per_pixel * factors[volume * classes + target.clamp(min=0)]).sum()


def _class_weights(counts: Tensor) -> Tensor:
    """:func:`class_weights` from the pixels ``[volumes, classes]`` of each class."""
    return 1.0 - counts / counts.sum(1, keepdim=True).clamp(min=1)


def _class_counts(target: Tensor, sizes: Sequence[int], classes: int) -> Tensor:
    """Pixels ``[volumes, classes]`` of each class in volumes that lie one after another.

    Running sums, because a GPU would count into a few bins one pixel after another.
    """
    found = target[None] == torch.arange(classes, device=target.device)[:, None]
    last = sent(list(accumulate(sizes)), target.device) - 1
    running = found.cumsum(1, dtype=torch.int32)[:, last]
    return running.diff(dim=1, prepend=running.new_zeros(classes, 1)).T


def _volume_of(sizes: Sequence[int], device: torch.device) -> Tensor:
    """The number of the volume that each pixel belongs to."""
    numbers = torch.arange(len(sizes), device=device)
    return torch.repeat_interleave(numbers, sent(sizes, device), output_size=sum(sizes))


def mean_segmentation_loss(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Mean of :func:`segmentation_loss` over ROI volumes, each weighted by its own class shares."""
    return segmentation_sum(logits, labels) / len(logits)


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

    def values(self) -> dict[str, Tensor]:
        """The losses without their graphs, for the log."""
        parts = {
            "segmentation": self.segmentation,
            "contrastive": self.contrastive,
            "classification": self.classification,
        }
        return {name: part.detach() for name, part in parts.items() if part is not None}


def linear_ramp(step: int, ramp_steps: int) -> float:
    """Factor that grows from 1/ramp_steps to 1 over ``ramp_steps`` steps and stays there."""
    return 1.0 if ramp_steps <= 0 else min((step + 1) / ramp_steps, 1.0)


def _full(values: Tensor) -> Tensor:
    """fp32, or fp64 where it already is (gradient checks)."""
    return values if values.dtype == torch.float64 else values.float()


def _logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, -torch.inf).logsumexp(1)
