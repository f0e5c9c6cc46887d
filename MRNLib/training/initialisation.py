"""How a student starts; for a small MRN without pre-trained weights in a way of our own.

timm starts linear layers and positions at a standard deviation of 0.02, which suits a width of 768.
At a width of 64 that leaves tokens almost blind to where they are for hundreds of steps.
"""

from __future__ import annotations

import torch
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from MRNLib.errors import InputError
from MRNLib.models.build import build_system
from MRNLib.models.mrn import Mrn
from MRNLib.models.system import System
from MRNLib.training.config import TrainingConfig
from MRNLib.training.objective import Contrast

POSITION_SCALE = 0.5
# Of the slowest wave, over that of the fastest.
LONGEST_WAVE = 10.0


def new_student(config: TrainingConfig, fold: int, *, pretrained: bool) -> System:
    """The student of a training before its first step, the same in every process, on the CPU.

    Args:
        config: The settings.
        fold: A part of the seed.
        pretrained: ``False`` where a checkpoint brings the weights.

    Raises:
        InputError: The settings leave a phase nothing to learn, or weights cannot be had.
    """
    train, loss = config.train, config.loss
    torch.manual_seed(train.seed * 1000 + fold)
    model = build_system(config.model, pretrained=pretrained)
    if train.from_scratch:
        start_from_scratch(model)
    segments = loss.segmentation > 0 and getattr(model, "dpt", None) is not None
    if train.phase1_epochs and not segments and not Contrast.wanted(model, loss):
        raise InputError(
            "phase 1 has nothing to learn: no segmentation and no contrastive loss",
            remedy="set train.phase1_epochs=0",
        )
    return model


def start_from_scratch(model: System) -> None:
    """Xavier weights in DINOv2 and the fusion blocks; positions as large as the patches' tokens.

    A backbone that has brought weights of its own keeps them; the fusion blocks alone start so.

    Raises:
        InputError: The system is no MRN.
    """
    if not isinstance(model, Mrn):
        raise InputError(
            f"train.from_scratch is not for model.kind {model.config.kind}",
            expected="model.kind mrn; the other systems start as their libraries start them",
        )
    backbone = model.res.backbone
    random = model.config.backbone.weights == "none"
    for part in model.res.children():
        if random or part is not backbone:
            spread_linear(part)
    if random:
        spread_positions(backbone.vit)


def start_vit_from_scratch(vit: VisionTransformer) -> None:
    """:func:`start_from_scratch` of a vision transformer by itself, whose weights are for others.

    Its positions are sines and cosines, which change slowly from patch to patch: resampled to
    another grid they keep their length. Random ones are averaged away, as training moves them
    little.
    """
    spread_linear(vit)
    spread_positions(vit)
    assert vit.pos_embed is not None
    grid = list(vit.patch_embed.grid_size)
    waves = build_sincos2d_pos_embed(grid, vit.embed_dim, temperature=LONGEST_WAVE)
    # A sine and its cosine have length 1 between them, two numbers of POSITION_SCALE sqrt(2) times.
    vit.pos_embed.data[0, -len(waves) :] = waves * POSITION_SCALE * 2**0.5


def spread_linear(module: nn.Module) -> None:
    """Xavier weights in every linear layer."""
    for one in module.modules():
        if isinstance(one, nn.Linear):
            nn.init.xavier_uniform_(one.weight)


def spread_positions(vit: VisionTransformer) -> None:
    """Positions and the CLS token as large as the patches' tokens."""
    for table in (vit.pos_embed, vit.cls_token):
        if table is not None:
            nn.init.normal_(table, std=POSITION_SCALE)
