"""A start for a small MRN without pre-trained weights.

timm starts linear layers and positions at a standard deviation of 0.02, which suits a width of 768.
At a width of 64 that leaves tokens almost blind to where they are for hundreds of steps.
"""

from __future__ import annotations

from torch import nn

from MRNLib.errors import InputError
from MRNLib.models.mrn import Mrn
from MRNLib.models.system import System

POSITION_SCALE = 0.5


def start_from_scratch(model: System) -> None:
    """Xavier weights in DINOv2 and the fusion blocks; positions as large as the patches' tokens.

    Raises:
        InputError: The system is no MRN.
    """
    if not isinstance(model, Mrn):
        raise InputError(
            f"train.from_scratch is not for model.kind {model.config.kind}",
            expected="model.kind mrn; the other systems start as their libraries start them",
        )
    for module in model.res.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    vit = model.res.backbone.vit
    for table in (vit.pos_embed, vit.cls_token):
        if table is not None:
            nn.init.normal_(table, std=POSITION_SCALE)
