"""AdamW in the paper's two groups, and the learning rate's course (paper section 4.1.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW

# Modules that learn from scratch; everything else (DINOv2, FFA, SFA) is tuned gently.
HEAD_MODULES = ("dpt.", "projector.", "classification_head.")
UNDECAYED_PARTS = ("token", "pos_embed", "position", "gamma", "register")


@dataclass(frozen=True)
class GroupRates:
    """Learning rate and weight decay of one kind of module."""

    learning_rate: float
    weight_decay: float


def is_head(name: str) -> bool:
    """Whether a parameter belongs to DPT or one of the heads, by its dotted name."""
    return name.startswith(HEAD_MODULES)


def is_decayed(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: never to norms, biases, tokens, positions and LayerScale."""
    last = name.rsplit(".", 1)[-1]
    return parameter.ndim > 1 and not any(part in last for part in UNDECAYED_PARTS)


def make_optimizer(
    model: nn.Module, backbone: GroupRates, heads: GroupRates, betas: tuple[float, float]
) -> AdamW:
    """AdamW over four groups: {backbone and fusion, DPT and heads} x {decayed, not}.

    Each group keeps its full learning rate under ``peak`` for :func:`set_learning_rate`. The fused
    kernel takes all tensors of a group at once; torch's default on a CPU is a loop over them.
    """
    groups = []
    for head, rates in ((False, backbone), (True, heads)):
        for decayed in (True, False):
            chosen = [
                parameter
                for name, parameter in model.named_parameters()
                if parameter.requires_grad
                and is_head(name) == head
                and is_decayed(name, parameter) == decayed
            ]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": rates.learning_rate,
                        "peak": rates.learning_rate,
                        "weight_decay": rates.weight_decay if decayed else 0.0,
                    }
                )
    return AdamW(groups, betas=betas, fused=True)


def learning_rate_factor(step: int, steps: int, warm_up_steps: int) -> float:
    """Linear rise over ``warm_up_steps``, then half a cosine to 0 at ``steps``."""
    if step < warm_up_steps:
        return (step + 1) / warm_up_steps
    done = (step - warm_up_steps) / max(steps - warm_up_steps, 1)
    return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def set_learning_rate(optimizer: AdamW, factor: float) -> None:
    """Sets every group to ``factor`` times its full rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
