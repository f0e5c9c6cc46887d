"""Outlines of the nuclei from frozen features: how much of them is there to be read.

The linear probe maps a patch's token to the logits of all of the patch's pixels, patch x patch x
classes numbers: with one class a patch, nuclei that are smaller than a patch could not be outlined
whatever the token knows. The DPT probe is MRN's own segmentation head on four maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from MRNLib.anatomy import NUCLEI_BY_MODALITY
from MRNLib.models.dpt import DensePrediction
from MRNLib.navigation.measuring.probefeatures import Features
from MRNLib.training.optimisation import learning_rate_factor
from MRNLib.training.sampling import generator_for

CHANNELS, FEATURES = (16, 16, 32, 32), 32
# Chosen, with the numbers of steps, on the patients that probes learn from: 40 against 20 of them,
# by a random start's features. Linear Dice .101 (300 steps at 1e-2), .150 (2,000 at 3e-2), .153
# (4,000), .155 (1,000 at 1e-1): a plateau. DPT Dice .176 (300 at 3e-3), .188 (300 at 1e-2), .231
# (600 at 3e-3): still rising, and 600 at 1e-2, which it has now, is what its time allows.
LEARNING_RATE = {"linear": 1e-1, "dpt": 1e-2}
WEIGHT_DECAY = 1e-4
BATCH, WARM_UP, CLIP = 32, 20, 1.0
AT_ONCE = 256

Array = NDArray[np.float64]


class Standardised(nn.Module):
    """Maps ``[n, C, rows, columns]`` less their channels' means, over their deviations.

    Encoders and dynamics differ in the size of what they give by more than a probe's learning rate
    bears: without this, the head on the features of some dynamics did not learn at all.

    Args:
        maps: Those learned from.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        deviation, mean = torch.std_mean(maps, dim=(0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation.clamp_min(1e-6))

    def forward(self, maps: Tensor) -> Tensor:
        """The same of any maps."""
        return (maps - self.mean) / self.deviation


class LinearProbe(nn.Module):
    """One linear layer from a patch's token to its pixels' logits.

    Args:
        maps: Those learned from, ``[N, C, rows, columns]`` each; the last is used.
        classes: K, background included.
        size: Side of a slice in pixels.
    """

    def __init__(self, maps: Sequence[Tensor], classes: int, size: int) -> None:
        super().__init__()
        self.standardised = Standardised(maps[-1])
        self.classes = classes
        self.patch = size // maps[-1].shape[-1]
        self.linear = nn.Linear(maps[-1].shape[1], classes * self.patch**2)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The last of some maps ``[n, C, rows, columns]`` to logits ``[n, K, S, S]``."""
        tokens = self.standardised(maps[-1]).movedim(1, -1)
        return functional.pixel_shuffle(self.linear(tokens).movedim(-1, 1), self.patch)


class DptProbe(nn.Module):
    """MRN's segmentation head.

    Args:
        maps: Those learned from, four ``[N, C, rows, columns]``.
        classes: K, background included.
        size: Side of a slice in pixels.
    """

    def __init__(self, maps: Sequence[Tensor], classes: int, size: int) -> None:
        super().__init__()
        self.standardised = nn.ModuleList(Standardised(one) for one in maps)
        self.size = (size, size)
        self.head = DensePrediction(maps[-1].shape[1], {"probe": classes}, CHANNELS, FEATURES)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Four maps ``[n, C, rows, columns]`` to logits ``[n, K, S, S]``."""
        alike = [one(own) for one, own in zip(self.standardised, maps, strict=True)]
        return self.head.logits(self.head(alike), "probe", self.size)


PROBES: Mapping[str, type[LinearProbe | DptProbe]] = {"linear": LinearProbe, "dpt": DptProbe}


def outline_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, plus one minus the mean soft Dice of the nuclei over the batch.

    The former alone would call all small nuclei background.

    Args:
        logits: ``[n, K, S, S]``.
        labels: ``[n, S, S]`` int64.
    """
    likelihood = logits.log_softmax(1)
    own = likelihood.gather(1, labels[:, None])[:, 0]
    likely, flat = likelihood.exp(), labels.flatten()
    overlap = own.new_zeros(logits.shape[1]).index_add(0, flat, own.exp().flatten())
    total = likely.sum((0, 2, 3)) + torch.bincount(flat, minlength=logits.shape[1])
    return 1 - own.mean() - (2 * overlap[1:] / total[1:].clamp_min(1e-6)).mean()


def trained_probe(
    name: str,
    features: Features,
    labels: Tensor,
    classes: int,
    steps: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """A probe that has learned to outline.

    Args:
        name: One of ``PROBES``.
        features: Of B clips of T slices.
        labels: ``[B, T, S, S]``, 0 to K - 1.
        classes: K, background included.
        steps: Optimizer steps, each of 32 slices.
        seed: Of start and order; the same on all devices.
        device: Where it learns; features and labels stay where they are but for a batch.
    """
    maps = [one.flatten(0, 1) for one in features.maps]
    target = labels.flatten(0, 1)
    torch.manual_seed(seed)
    probe = PROBES[name](maps, classes, labels.shape[-1]).to(device)
    rate = LEARNING_RATE[name]
    optimizer = torch.optim.AdamW(probe.parameters(), rate, weight_decay=WEIGHT_DECAY, fused=True)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * learning_rate_factor(step, steps, WARM_UP)
        chosen = torch.randint(len(target), (BATCH,), generator=generator_for(seed, step))
        logits = probe([one[chosen].to(device) for one in maps])
        loss = outline_loss(logits, target[chosen].to(device).long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(probe.parameters(), CLIP)
        optimizer.step()
    return probe.eval()


@torch.no_grad()
def outlined(probe: nn.Module, features: Features) -> Tensor:
    """Labels ``[B, T, S, S]`` uint8 that a probe gives, on the CPU, wherever it is."""
    device = next(probe.parameters()).device
    maps = [one.flatten(0, 1) for one in features.maps]
    found = [
        probe([one[start : start + AT_ONCE].to(device) for one in maps]).argmax(1).byte().cpu()
        for start in range(0, len(maps[0]), AT_ONCE)
    ]
    return torch.cat(found).unflatten(0, features.maps[0].shape[:2])


def dice_of_patients(
    found: Tensor, true: Tensor, patients: Sequence[str], role: str
) -> dict[str, dict[str, float]]:
    """Dice of each nucleus, over all of a patient's slices together.

    Args:
        found: ``[B, T, S, S]`` labels of clips of one role.
        true: The same shape.
        patients: ``[B]`` names.
        role: ``QSM`` or ``NM``, which says what the labels mean.

    Returns:
        By nucleus and patient; a patient whose slices do not show a nucleus is left out of it.
    """
    result: dict[str, dict[str, float]] = {one.key: {} for one in NUCLEI_BY_MODALITY[role]}
    for name in sorted({*patients}):
        own = torch.tensor([patient == name for patient in patients])
        for label, nucleus in enumerate(NUCLEI_BY_MODALITY[role], start=1):
            one, other = found[own] == label, true[own] == label
            if other.any():
                overlap = 2 * (one & other).sum() / (one.sum() + other.sum())
                result[nucleus.key][name] = float(overlap)
    return result


def mean_of_nuclei(dice: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each patient's mean over the nuclei that are there, of Dice by nucleus and patient."""
    patients = sorted({patient for one in dice.values() for patient in one})
    return {
        name: float(np.mean([one[name] for one in dice.values() if name in one]))
        for name in patients
    }
