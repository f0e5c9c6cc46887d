from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from MRNLib.models.config import BackboneConfig, MrnConfig, PreprocessConfig

TINY = MrnConfig(
    backbone=BackboneConfig(
        weights="none",
        drop_path=0.2,
        image_size=32,
        patch_size=8,
        embed_dim=24,
        depth=4,
        num_heads=2,
    ),
    preprocess=PreprocessConfig(roi_size=32, patch_size=8),
    dpt_channels=(6, 8, 10, 12),
    dpt_features=8,
    head_hidden=16,
    projection_hidden=16,
    projection_dim=6,
)

# Slices, height and width of four ROIs: not square, one of a single slice, two alike.
ROI_SHAPES = {
    "NM": (3, 32, 16),
    "QSM1": (4, 32, 32),
    "QSM2": (1, 24, 32),
    "QSM3": (2, 32, 16),
}


def spread(module: nn.Module, scale: float = 0.3) -> nn.Module:
    """Random values everywhere: an untrained model, almost the identity, would hide mistakes."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * scale)
    return module.eval()


@pytest.fixture
def tiny() -> MrnConfig:
    return TINY


@pytest.fixture
def vary() -> Callable[..., MrnConfig]:
    def varied(**changes: object) -> MrnConfig:
        return replace(TINY, **changes)

    return varied


@pytest.fixture
def randomise() -> Callable[..., nn.Module]:
    return spread


@pytest.fixture
def patient() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(slices, 3, height, width, generator=generator)
        for name, (slices, height, width) in ROI_SHAPES.items()
    }
