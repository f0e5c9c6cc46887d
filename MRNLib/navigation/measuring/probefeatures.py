"""What a frozen arm makes of slices, as features for probes; two kinds that are kept apart.

Tokenizer features are of a single slice: the encoder sees nothing else. Context features are the
hidden states of the dynamics over a clip: the state of slice t has seen all slices up to t, so that
it can know more of a slice than the slice shows. Arms without dynamics have none.

The dynamics' state at t has also been told the action that leads away from slice t. A probe must
not read from it what it was told: the actions are withheld, all of them (standing still). That
favours dynamics that have never been told any, so that for outlines, which no action says, there
are states that were told the actions of the past besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from MRNLib.models.config import DPT_TAPS
from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.dynamics import Dynamics
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.navigation.world import World
from MRNLib.training.initialisation import start_vit_from_scratch

# Slices that are encoded at once.
AT_ONCE = 256
# Patches are pooled to so many rows and columns for probes of poses, or the ridge would have tens
# of thousands of columns at the paper's size.
POOLED = 4


@dataclass(frozen=True, eq=False)
class Features:
    """Features of B clips of T slices; on the CPU, wherever they were computed.

    Attributes:
        tokens: ``[B, T, 1 + patches, C]``: CLS, then the patches row by row.
        maps: Four of ``[B, T, C, rows, columns]``, the segmentation head's inputs: the encoder's
            tapped blocks, the last repeated where there are fewer than four; or four times the last
            layer of the dynamics.
    """

    tokens: Tensor
    maps: tuple[Tensor, ...]

    def of(self, clips: Tensor) -> Features:
        """The features of some clips, ``[B]`` bool."""
        return Features(self.tokens[clips], tuple(one[clips] for one in self.maps))

    def pooled(self) -> NDArray[np.float32]:
        """``[B, T, F]``: CLS, then the patches' means in at most 4 x 4 cells."""
        patches = self.maps[-1]
        size = min(POOLED, patches.shape[-2]), min(POOLED, patches.shape[-1])
        cells = functional.adaptive_avg_pool2d(patches.flatten(0, 1), size)
        cells = cells.flatten(1).unflatten(0, patches.shape[:2])
        return torch.cat([self.tokens[:, :, 0], cells], dim=-1).numpy()


def encoder_taps(config: NavigationConfig) -> int:
    """From how many of the encoder's blocks maps are taken."""
    return min(DPT_TAPS, config.encoder.depth or DPT_TAPS)


def random_tokenizer(config: NavigationConfig) -> Tokenizer:
    """The encoder as pre-training of these settings starts it, which has learned nothing."""
    torch.manual_seed(config.train.seed)
    tokenizer = Tokenizer(config.encoder, config.images, encoder_taps(config))
    if config.train.from_scratch and config.encoder.weights == "none":
        start_vit_from_scratch(tokenizer.encoder.vit)
    return tokenizer.eval().requires_grad_(False)


def no_features(frames: Tensor) -> Features:
    """Zeros for clips ``[B, T, S, S]``: probes of these say what they say without looking.

    That is the training mean of a place, the commonest plane, and one outline for all patches.
    """
    shape = frames.shape[:2]
    return Features(torch.zeros(*shape, 2, 1), (torch.zeros(*shape, 1, 1, 1),) * DPT_TAPS)


@torch.no_grad()
def tokenizer_features(tokenizer: Tokenizer, frames: Tensor) -> Features:
    """Features of each slice by itself.

    Args:
        tokenizer: Frozen; four taps, or as many as it has blocks.
        frames: ``[B, T, S, S]`` in [0, 1].
    """
    device = next(tokenizer.parameters()).device
    tokens, maps = [], []
    for part in frames.flatten(0, 1).split(AT_ONCE):
        found = tokenizer.encode(part.to(device))
        patches = found.patch_maps[-1].flatten(2).mT
        tokens.append(torch.cat([found.slice_tokens[:, None], patches], dim=1).float().cpu())
        maps.append([one.float().cpu() for one in found.patch_maps])
    levels = [torch.cat(level).unflatten(0, frames.shape[:2]) for level in zip(*maps, strict=True)]
    levels += [levels[-1]] * (DPT_TAPS - len(levels))
    return Features(torch.cat(tokens).unflatten(0, frames.shape[:2]), tuple(levels))


@torch.no_grad()
def context_features(tokenizer: Tokenizer, dynamics: Dynamics, frames: Tensor) -> Features:
    """Features of each slice after those before it in its clip; no action is told.

    Args:
        tokenizer: Frozen.
        dynamics: Frozen, on the same device.
        frames: ``[B, T, S, S]`` in [0, 1].
    """
    hidden = [
        dynamics.context(latents).float().cpu() for latents in _latents(tokenizer, dynamics, frames)
    ]
    return _of_states(torch.cat(hidden))


@torch.no_grad()
def told_features(
    tokenizer: Tokenizer, dynamics: Dynamics, frames: Tensor, actions: Tensor
) -> Features:
    """Features of each slice after those before it and the actions that led from one to the next.

    The action that leaves a slice is told to nobody: each slice is the last of a clip of its own.

    Args:
        tokenizer: Frozen.
        dynamics: Frozen, on the same device.
        frames: ``[B, T, S, S]`` in [0, 1].
        actions: ``[B, T - 1, 7]``, from each slice to the next.
    """
    hidden, first = [], 0
    for latents in _latents(tokenizer, dynamics, frames):
        own = actions[first : first + len(latents)].to(latents)
        first += len(latents)
        states = [
            dynamics.context(latents[:, : last + 1], own[:, :last])[:, -1]
            for last in range(frames.shape[1])
        ]
        hidden.append(torch.stack(states, dim=1).float().cpu())
    return _of_states(torch.cat(hidden))


def untrained_dynamics(config: NavigationConfig, width: int) -> Dynamics:
    """The dynamics as pre-training of these settings starts them, which have learned nothing.

    Args:
        config: The settings.
        width: Channels of the tokenizer's latents.
    """
    torch.manual_seed(config.train.seed)
    return World(config, width).dynamics.eval().requires_grad_(False)


def _latents(tokenizer: Tokenizer, dynamics: Dynamics, frames: Tensor) -> Iterator[Tensor]:
    """Latents ``[b, T, N, C]`` of some clips after others."""
    device = next(dynamics.parameters()).device
    for part in frames.split(max(1, AT_ONCE // frames.shape[1])):
        yield tokenizer.latents(part.to(device)).float()


def _of_states(hidden: Tensor) -> Features:
    """Features from states ``[B, T, N, width]``; the map is their last layer, four times."""
    side = round((hidden.shape[2] - 1) ** 0.5)
    last = hidden[:, :, 1:].mT.unflatten(-1, (side, side))
    return Features(hidden, (last,) * DPT_TAPS)
