"""Places read from features by a small network: what is there to be read, but not linearly.

How one slice lies to another is no sum of something of each: a probe has to compare them. One
hidden layer does; ridge regression beside it says what is there in plain sight.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from MRNLib.navigation.measuring.poseprobes import Array, Grid, Places, patient_folds
from MRNLib.training.sampling import generator_for

HIDDEN = 128
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2
BATCH, EPOCHS = 128, 100
# Epochs without a better one on the left-out patients before a network is done.
PATIENCE = 8


def network_places(train: Grid, targets: Places, patients: Sequence[str], test: Grid) -> Places:
    """Places read from features; arguments as of :func:`.poseprobes.ridge_places`."""
    return Places.of_parts(*network_parts(train, targets.parts(), patients, test))


def network_parts(
    train: Grid, parts: Sequence[Array], patients: Sequence[str], test: Grid
) -> list[Array]:
    """Blocks of columns read from features; all as of :func:`.poseprobes.ridge_parts`.

    One network for each fold: it learns from the other folds' patients and stops where it is best
    on its own. What is read is the networks' mean.
    """
    wanted = [torch.from_numpy(np.asarray(part, np.float32)) for part in parts]
    means = [part.mean(0) for part in wanted]
    # One deviation for a part: its numbers stay comparable, and the parts weigh alike.
    scales = [
        (part - mean).square().mean().sqrt() for part, mean in zip(wanted, means, strict=True)
    ]
    scaled = [
        (part - mean) / scale.clamp_min(1e-6)
        for part, mean, scale in zip(wanted, means, scales, strict=True)
    ]
    features = torch.from_numpy(train)
    deviation, mean = torch.std_mean(features, dim=0)
    deviation = deviation.clamp_min(1e-6)
    features, others = (features - mean) / deviation, (torch.from_numpy(test) - mean) / deviation
    read = [
        _trained(features, scaled, learned, left, number)(others)
        for number, (learned, left) in enumerate(patient_folds(patients))
    ]
    found = torch.stack(read).mean(0).split([part.shape[1] for part in wanted], dim=1)
    return [
        (part * scale + mean).double().numpy()
        for part, scale, mean in zip(found, scales, means, strict=True)
    ]


def _trained(
    features: Tensor,
    parts: Sequence[Tensor],
    learned: NDArray[np.int64],
    left: NDArray[np.int64],
    seed: int,
) -> nn.Module:
    """A network ``[N, F]`` to the parts side by side, at its best on the left-out samples."""
    torch.manual_seed(seed)
    wanted, widths = torch.cat(list(parts), dim=1), [part.shape[1] for part in parts]
    last = nn.Linear(HIDDEN, wanted.shape[1])
    # It starts with the mean, which is kept where nothing better is learned.
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    network = nn.Sequential(nn.Linear(features.shape[1], HIDDEN), nn.GELU(), last)
    optimizer = torch.optim.AdamW(
        network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    best, since = copy.deepcopy(network.state_dict()), 0
    with torch.no_grad():
        least = float(_loss(network(features[left]), wanted[left], widths))
    for epoch in range(EPOCHS):
        order = torch.randperm(len(learned), generator=generator_for(seed, epoch)).numpy()
        for chosen in np.array_split(learned[order], -(-len(learned) // BATCH)):
            loss = _loss(network(features[chosen]), wanted[chosen], widths)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            error = float(_loss(network(features[left]), wanted[left], widths))
        since += 1
        if error < least:
            least, since = error, 0
            best = copy.deepcopy(network.state_dict())
        if since == PATIENCE:
            break
    network.load_state_dict(best)
    return network.requires_grad_(False)


def _loss(read: Tensor, wanted: Tensor, widths: Sequence[int]) -> Tensor:
    """Squared error, the mean over parts of each part's own: nine numbers of a rotation are one."""
    pairs = zip(read.split(list(widths), 1), wanted.split(list(widths), 1), strict=True)
    return torch.stack([functional.mse_loss(one, other) for one, other in pairs]).mean()
