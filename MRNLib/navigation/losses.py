"""The losses of slice navigation: reconstruction of hidden patches, prediction of latents."""

from __future__ import annotations

import torch
from torch import Tensor


def reconstruction_loss(predicted: Tensor, targets: Tensor, masked: Tensor) -> Tensor:
    """Mean squared error over the pixels of the chosen patches alone.

    Args:
        predicted: ``[N, patches, pixels]``.
        targets: The same shape.
        masked: ``[N, patches]`` bool; some hold.
    """
    error = (predicted - targets).square().mean(dim=-1)
    return (error * masked).sum() / masked.sum()


def latent_errors(predicted: Tensor, wanted: Tensor) -> Tensor:
    """L1 of layer-normed latents ``[B, ..., N, C]``, one figure for each of B clips: ``[B]``."""
    return (predicted - wanted).abs().flatten(1).mean(dim=1)


def derangement(count: int, generator: torch.Generator) -> Tensor:
    """``[count]`` int64: a partner for each of two or more, never itself, each once.

    All of them in one random circle.
    """
    circle = torch.randperm(count, generator=generator)
    partners = torch.empty_like(circle)
    partners[circle] = circle.roll(1)
    return partners
