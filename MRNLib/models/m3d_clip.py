"""M3D-CLIP's 3-D vision transformer, fine-tuned on the ROIs (Table 9).

Bai et al. 2024, arXiv 2404.00578; weights: HuggingFace GoodBaiBai88/M3D-CLIP. The network is
MONAI's ViT as the authors' code builds it (github BAAI-DCAI/M3D, multimodal_encoder/vit.py, with
MONAI 1.3.0): images of 32 x 256 x 256 in [0, 1], patches of 4 x 16 x 16 flattened into a linear
layer ("perceptron"), learned positions, a class token, 12 blocks of width 768 without a bias on
query, key and value. The paper says neither how the ROIs enter it nor what is read out: here each
ROI is resized to the input's size and passes one shared transformer, and the four class tokens are
concatenated.

The weights are read from a file that the user downloads, without running what it contains:
``model.safetensors`` or ``pytorch_model.bin`` of the whole model (the transformer's tensors under
``vision_encoder.``) or ``pretrained_ViT.bin`` (the same without a prefix). The tensors' names were
taken from the authors' code; no file of theirs was at hand to check them against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from MRNLib.anatomy import ROI_NAMES
from MRNLib.errors import InputError
from MRNLib.models.config import VolumeConfig
from MRNLib.models.volume import VolumeSystem, VolumeSystemConfig
from MRNLib.models.weights import read_weights

PREFIX = "vision_encoder."
DOWNLOAD = (
    "download model.safetensors or pretrained_ViT.bin of GoodBaiBai88/M3D-CLIP from HuggingFace on "
    "a computer with a network, and give its path as model.weights; or 'none' to start from random "
    "weights"
)
# MONAI versions after the authors' add these to every block; they are not used without text.
UNUSED = "cross_attn"


@dataclass(frozen=True)
class M3dClipConfig(VolumeSystemConfig):
    """M3D-CLIP's image encoder with a classification head.

    Attributes:
        weights: Path of the downloaded weights, or ``none`` (random).
        preprocess: Windows and the size of the input, which the weights fix.
        patch_size: Slices, rows and columns of a patch.
        width: Width C of a token.
        mlp_width: Hidden width of a block's perceptron.
        depth: Blocks.
        num_heads: Attention heads.
        checkpoint_activations: Recompute activations in the backward pass: less memory, about a
            third slower.
    """

    kind: Literal["m3d_clip"] = "m3d_clip"
    weights: str = "none"
    preprocess: VolumeConfig = field(default_factory=lambda: VolumeConfig(size=(32, 256, 256)))
    patch_size: tuple[int, int, int] = (4, 16, 16)
    width: int = 768
    mlp_width: int = 3072
    depth: int = 12
    num_heads: int = 12
    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        sizes = zip(self.preprocess.size, self.patch_size, strict=True)
        if any(side % patch for side, patch in sizes):
            raise ValueError(
                f"preprocess.size {self.preprocess.size} is not a multiple of patch_size "
                f"{self.patch_size}"
            )
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")

    def for_inference(self) -> Self:
        """The same model to load exported weights into."""
        return replace(self, weights="none", projector=False, checkpoint_activations=False)


class M3dClip(VolumeSystem):
    """Four ROIs through one 3-D vision transformer.

    Args:
        config: What it is made of, which weights.
        pretrained: ``False`` skips ``config.weights``: a checkpoint is loaded afterwards.

    Raises:
        InputError: The weights file is missing, cannot be read safely, or is not this model's.
    """

    config: M3dClipConfig

    def __init__(self, config: M3dClipConfig, pretrained: bool = True) -> None:
        super().__init__(config, ROI_NAMES, config.width)
        self.vit = create_vit(config)
        if pretrained and config.weights != "none":
            load_weights(self.vit, Path(config.weights))

    def encode(self, volumes: Mapping[str, Tensor]) -> Tensor:
        """Class tokens ``[B, 4, C]``."""
        stacked = torch.cat([volumes[name] for name in self.regions])
        tokens = self.vit.patch_embedding(stacked)
        tokens = torch.cat([self.vit.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.vit.blocks:
            if self.config.checkpoint_activations and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, use_reentrant=False)
            else:
                tokens = block(tokens)
        classes = self.vit.norm(tokens[:, 0])
        return classes.unflatten(0, (len(self.regions), -1)).transpose(0, 1)


def create_vit(config: M3dClipConfig) -> Any:
    """MONAI's ViT with random weights and exactly the published file's tensors."""
    from monai.networks.nets import ViT

    vit = ViT(
        in_channels=1,
        img_size=config.preprocess.size,
        patch_size=config.patch_size,
        hidden_size=config.width,
        mlp_dim=config.mlp_width,
        num_layers=config.depth,
        num_heads=config.num_heads,
        proj_type="perceptron",
        classification=True,
    )
    del vit.classification_head  # the authors' ViT has none
    for block in cast(Any, vit.blocks):
        block.norm_cross_attn = nn.Identity()
        block.attn.use_flash_attention = True  # the same sum without the [tokens, tokens] matrix
    return vit


def load_weights(vit: nn.Module, path: Path) -> None:
    """Fills the transformer from a downloaded file.

    Raises:
        InputError: No such file, not safe to read, or its tensors are not this transformer's: names
            missing or unknown, other shapes, values that are not finite.
    """
    state = read_weights(path, remedy=DOWNLOAD)
    prefix = PREFIX if any(name.startswith(PREFIX) for name in state) else ""
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix) and UNUSED not in name
    }
    reason = _mismatch(found, vit.state_dict())
    if reason:
        raise InputError(
            f"Not the weights of M3D-CLIP's image encoder ({reason}).",
            file=path,
            expected="the tensors of its 3-D vision transformer, at the configured size",
            remedy=DOWNLOAD,
        )
    vit.load_state_dict({name: tensor.float() for name, tensor in found.items()})


def _mismatch(found: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> str | None:
    """Why the tensors found are not those wanted, or None."""
    for name, tensor in wanted.items():
        if name not in found:
            return f"it lacks {name}"
        if not isinstance(found[name], Tensor) or found[name].shape != tensor.shape:
            shape = tuple(getattr(found[name], "shape", ()))
            return f"{name} has the shape {shape}, not {tuple(tensor.shape)}"
        if not torch.isfinite(found[name]).all():
            return f"{name} holds values that are not finite"
    unknown = sorted(set(found) - set(wanted))
    return f"it also holds {unknown[0]}" if unknown else None
