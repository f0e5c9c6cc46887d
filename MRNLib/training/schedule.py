"""The optimizer and the learning rate's course as the settings ask for them."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW

from MRNLib.training.config import TrainSettings
from MRNLib.training.optimisation import GroupRates, learning_rate_factor, make_optimizer


def configured_optimizer(model: nn.Module, settings: TrainSettings) -> AdamW:
    """AdamW with the configured rates and decays of backbone and heads."""
    return make_optimizer(
        model,
        GroupRates(settings.lr_backbone, settings.weight_decay_backbone),
        GroupRates(settings.lr_heads, settings.weight_decay_heads),
        settings.betas,
    )


def scheduled_factor(settings: TrainSettings, epoch: int, step: int, steps: int) -> float:
    """Share of the full learning rate at one step.

    Args:
        settings: Phases, warm-up, and whether each phase has a course of its own.
        epoch: From 0 over both phases.
        step: Within the epoch, from 0.
        steps: Steps in an epoch.
    """
    first, length = 0, settings.phase1_epochs + settings.phase2_epochs
    if settings.schedule == "per-phase":
        in_second = epoch >= settings.phase1_epochs
        first = settings.phase1_epochs if in_second else 0
        length = settings.phase2_epochs if in_second else settings.phase1_epochs
    place = (epoch - first) * steps + step
    return learning_rate_factor(place, length * steps, round(settings.warm_up_epochs * steps))
