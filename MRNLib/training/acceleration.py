"""Arithmetic and compilation: how fast a step is, not what it does."""

from __future__ import annotations

from typing import Any, Literal

import torch
from timm.models.vision_transformer import Block
from torch import nn

from MRNLib.models import fusion

Precision = Literal["fp32", "bf16"]


def resolved_precision(setting: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """The precision that ``auto`` means on a device: bf16 on a GPU that computes in it."""
    if setting != "auto":
        return setting
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def autocast(device: torch.device, precision: Precision) -> Any:
    """The context of a forward pass; losses leave it by themselves."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def compile_blocks(model: nn.Module, backend: str = "inductor") -> int:
    """Compiles the transformer blocks in place, so that weights keep their names.

    DINOv2's blocks as wholes: their input is one dense batch whose two sizes may vary. Of the
    fusion blocks only the perceptron: their attention runs over ROIs whose number and lengths
    differ from batch to batch, and each combination would be compiled anew.

    Args:
        model: Any system; one without such blocks stays as it is.
        backend: torch.compile's.

    Returns:
        How many modules were marked; each is compiled when it is first called.
    """
    found: list[nn.Module] = []
    for module in model.modules():
        if isinstance(module, Block):
            found.append(module)
        elif isinstance(module, fusion.Block):
            found.append(module.mlp)
    for module in found:
        module.compile(dynamic=True, backend=backend)
    return len(found)
