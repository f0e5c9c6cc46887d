"""DINOv2 with registers, from timm: the patchifier of Eq. 2.

Weights come from the hub, from a local file, from slice navigation, or are random. All but the last
go through timm's own loading, which converts Meta's key names, keeps the registers and resamples
the position embedding to the configured size.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from MRNLib.errors import InputError
from MRNLib.models.config import NAVIGATION, BackboneConfig
from MRNLib.models.weights import (
    PRETRAINED,
    TOKENIZER,
    first_line,
    read_described,
    read_weights,
)

LOCAL_FILE = (
    "download dinov2_vitb14_reg4_pretrain.pth (DINOv2, ViT-B/14 with registers) on a computer with "
    "a network, and give its path as backbone weights; or 'none' to start from random weights"
)
WAYS = f"hub, none, {NAVIGATION}PATH (slice navigation), or the path of a DINOv2's weights file"


class SliceFeatures(NamedTuple):
    """DINOv2's tokens of a batch of equally large slices.

    Attributes:
        slice_tokens: ``[slices, C]``, the CLS tokens.
        patch_maps: One ``[slices, C, rows, columns]`` per tapped block; the last one is the
            output's.
    """

    slice_tokens: Tensor
    patch_maps: list[Tensor]


class Backbone(nn.Module):
    """DINOv2 on single slices; its registers are used inside and dropped at the end.

    Args:
        config: Which model, which weights.
        taps: From how many blocks patch maps are returned, spread evenly and ending in the last:
            with 4 taps of 12 blocks the 0-based blocks 2, 5, 8 and 11, with 1 the last only.
        pretrained: ``False`` skips ``config.weights``: a checkpoint is loaded afterwards.

    Attributes:
        width: Channels C of every token.
        num_heads: Attention heads, which the fusion blocks take over.
    """

    def __init__(self, config: BackboneConfig, taps: int = 1, pretrained: bool = True) -> None:
        super().__init__()
        self.vit = create_vit(config if pretrained else replace(config, weights="none"))
        self.width = self.vit.embed_dim
        shape = encoder_shape(self.vit)
        self.num_heads, depth = shape["num_heads"], shape["depth"]
        if taps > depth:
            raise ValueError(f"{taps} feature maps cannot come from {depth} blocks")
        self.tapped_blocks = [depth * (tap + 1) // taps - 1 for tap in range(taps)]

    def forward(self, slices: Tensor, all_taps: bool = True) -> SliceFeatures:
        """Encode ``[slices, 3, h, w]``, h and w multiples of the patch size.

        Without ``all_taps`` only the last map is returned.
        """
        blocks = self.tapped_blocks if all_taps else self.tapped_blocks[-1:]
        taps: Any = self.vit.forward_intermediates(
            slices, indices=blocks, return_prefix_tokens=True, norm=True, intermediates_only=True
        )
        return SliceFeatures(taps[-1][1][:, 0], [patches for patches, _ in taps])


def create_vit(config: BackboneConfig) -> VisionTransformer:
    """timm's DINOv2 with the configured weights.

    Raises:
        InputError: the hub cannot be reached, the file is not a DINOv2 of this size, or timm has no
            such model.
    """
    arguments: dict[str, Any] = {
        "img_size": config.image_size,
        "patch_size": config.patch_size,
        "dynamic_img_size": True,
        "num_classes": 0,
        "drop_path_rate": config.drop_path,
    }
    for name in ("embed_dim", "depth", "num_heads"):
        if getattr(config, name) is not None:
            arguments[name] = getattr(config, name)
    if config.weights == "none":
        if config.layer_scale_init is not None:
            arguments["init_values"] = config.layer_scale_init
        return _create(config, pretrained=False, **arguments)
    if config.weights == "hub":
        return _from_hub(config, arguments)
    if config.weights.startswith(NAVIGATION):
        return _from_navigation(config, arguments)
    path = Path(config.weights)
    remedy = LOCAL_FILE
    if (path / TOKENIZER).is_file():
        remedy = f"give {NAVIGATION}{path} as backbone weights"
    state = read_weights(path, remedy=remedy, expected=WAYS)
    return _loaded(path, state, config, arguments, LOCAL_FILE)


def _create(config: BackboneConfig, **arguments: Any) -> VisionTransformer:
    vit = timm.create_model(config.name, **arguments) if timm.is_model(config.name) else None
    if not isinstance(vit, VisionTransformer) or vit.reg_token is None:
        raise InputError(
            f"{config.name} is not a vision transformer with registers that timm knows.",
            expected="a name such as vit_base_patch14_reg4_dinov2, without a tag",
            remedy="change the backbone's name in the model settings",
        )
    return vit


def _from_hub(config: BackboneConfig, arguments: dict[str, Any]) -> VisionTransformer:
    try:
        return _create(config, pretrained=True, **arguments)
    except InputError:
        raise
    except Exception as error:  # the hub's client raises types of several HTTP libraries
        raise InputError(
            f"The pre-trained weights of {config.name} could not be loaded from the hub "
            f"({first_line(error)}).",
            expected="a network connection, or weights that timm has already downloaded",
            remedy=LOCAL_FILE,
        ) from error


def _from_navigation(config: BackboneConfig, arguments: dict[str, Any]) -> VisionTransformer:
    """The encoder of a tokenizer that learned on the slices of unlabelled volumes.

    Positions of another grid are resampled. From a random start of their own they would be averaged
    away; with ``train.from_scratch`` they start as slow waves, which keep their length
    (:func:`~MRNLib.training.initialisation.start_vit_from_scratch`).
    """
    path = Path(config.weights.removeprefix(NAVIGATION))
    if path.is_dir():
        path /= TOKENIZER
    state, description = read_described(path, remedy=PRETRAINED)
    there = description.get("encoder")
    with torch.device("meta"):  # what the settings come to, without the time of a random start
        here = encoder_shape(_create(config, pretrained=False, **arguments))
    if not isinstance(there, dict) or there.keys() != here.keys():
        raise InputError("Is no tokenizer of slice navigation.", file=path, remedy=PRETRAINED)
    for name, value in here.items():
        if there[name] != value:
            raise InputError(
                f"An encoder with {name} {there[name]}, and the backbone's settings say {value}.",
                file=path,
                expected="the same width, depth, heads and patches in the pretraining and here",
                remedy=f"set the backbone's {name} to {there[name]}, or pretrain with {value}",
            )
    return _loaded(path, state, config, arguments, PRETRAINED)


def encoder_shape(vit: VisionTransformer) -> dict[str, int]:
    """What has to be the same for one vision transformer's weights to mean the same in another."""
    return {
        "embed_dim": vit.embed_dim,
        "depth": len(vit.blocks),
        "num_heads": int(vit.get_submodule("blocks.0.attn").num_heads),  # type: ignore[arg-type]
        "patch_size": int(vit.patch_embed.patch_size[0]),
    }


def _loaded(
    path: Path,
    state: dict[str, Tensor],
    config: BackboneConfig,
    arguments: dict[str, Any],
    remedy: str,
) -> VisionTransformer:
    try:
        overlay = {"state_dict": state}
        vit = _create(config, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except (RuntimeError, KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
        raise _wrong_file(path, config, first_line(error), remedy) from error
    # timm keeps a second copy of the weights in the model's description.
    cast(dict[str, Any], vit.pretrained_cfg).pop("state_dict", None)
    if not all(torch.isfinite(parameter).all() for parameter in vit.parameters()):
        raise _wrong_file(path, config, "it holds values that are not finite", remedy)
    return vit


def _wrong_file(path: Path, config: BackboneConfig, reason: str, remedy: str) -> InputError:
    return InputError(
        f"Not the weights of {config.name} ({reason}).",
        file=path,
        expected="a DINOv2 with registers of the configured width, depth and patch size",
        remedy=remedy,
    )
