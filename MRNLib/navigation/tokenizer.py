"""The tokenizer of slice navigation: MRN's encoder of slices, taught by masked reconstruction.

arXiv 2605.06487 is known here by a summary, which says no more than that a tokenizer encodes the
slices. Ours is the DINOv2 with registers that MRN starts from, so that its weights can be MRN's.
Masked patches are replaced by a learned token before the blocks (SimMIM, arXiv 2111.09886), not
left out (MAE, arXiv 2111.06377): every position goes through the encoder, as it will in MRN. The
targets are grey values, or MAE's patches without their own brightness.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Generator, Tensor, nn

from MRNLib.models.backbone import Backbone, SliceFeatures
from MRNLib.models.config import BackboneConfig
from MRNLib.models.preprocess import ChannelStatistics, normalise
from MRNLib.navigation.config import TokenizerSettings
from MRNLib.navigation.losses import reconstruction_loss
from MRNLib.training.initialisation import POSITION_SCALE

# Contrast that is not stretched to that of other patches. Noise has a standard deviation of .012 to
# .019 in digital patients' QSM: at 1e-4 a patch of nothing else was as much of the target as one
# of anatomy, at 2e-3 it is a tenth, and patches of anatomy (median variance 3e-3 in QSM, 2e-2 in
# NM's window) keep most of theirs.
LEAST_VARIANCE = 2e-3


class Tokenizer(nn.Module):
    """Grey frames to the tokens of a slice.

    Args:
        config: The encoder; its weights are random, a file's, or an earlier tokenizer's.
        images: How its images are normalised.
        taps: Maps of :meth:`encode`, as :class:`~MRNLib.models.backbone.Backbone`'s.
        pretrained: ``False`` skips ``config.weights``.
    """

    def __init__(
        self,
        config: BackboneConfig,
        images: ChannelStatistics,
        taps: int = 1,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = Backbone(config, taps, pretrained)
        self.images = images

    @property
    def width(self) -> int:
        """Channels C of a token."""
        return self.encoder.width

    def encode(self, frames: Tensor) -> SliceFeatures:
        """The encoder's tokens of ``[N, h, w]`` in [0, 1], sides multiples of the patch's."""
        return self.encoder(normalise(frames, self.images))

    def latents(self, frames: Tensor) -> Tensor:
        """What the dynamics work on.

        Args:
            frames: ``[..., h, w]`` in [0, 1].

        Returns:
            ``[..., 1 + patches, C]``: CLS, then the patches row by row; each token with mean 0 and
            variance 1 over its channels.
        """
        features = self.encode(frames.flatten(0, -3))
        patches = features.patch_maps[-1].flatten(2).mT
        tokens = torch.cat([features.slice_tokens[:, None], patches], dim=1)
        return layer_normed(tokens).unflatten(0, frames.shape[:-2])

    def masked_latents(self, frames: Tensor, masked: Tensor, mask_token: Tensor) -> Tensor:
        """:meth:`latents` of ``[N, h, w]`` with some patches hidden.

        Args:
            frames: ``[N, h, w]`` in [0, 1].
            masked: ``[N, patches]`` bool.
            mask_token: ``[C]``, which stands in for a hidden patch.
        """
        vit = self.encoder.vit
        patches = vit.patch_embed(normalise(frames, self.images))  # [N, rows, columns, C]
        hidden = masked.view(*patches.shape[:-1], 1)
        patches = torch.where(hidden, mask_token.to(patches.dtype), patches)
        tokens = vit.norm(vit.blocks(vit.norm_pre(vit._pos_embed(patches))))
        return layer_normed(torch.cat([tokens[:, :1], tokens[:, vit.num_prefix_tokens :]], dim=1))


def layer_normed(tokens: Tensor) -> Tensor:
    """``[..., C]`` with mean 0 and variance 1 over C, without weights."""
    return F.layer_norm(tokens, tokens.shape[-1:])


class Decoder(nn.Module):
    """A light transformer from a frame's latents to its patches' pixels.

    Args:
        width: Channels C of the latents.
        size: Side of a frame in pixels.
        patch_size: Side of a patch in pixels.
        settings: Its own width, depth and heads.
    """

    def __init__(self, width: int, size: int, patch_size: int, settings: TokenizerSettings) -> None:
        super().__init__()
        self.patch_size = patch_size
        tokens = 1 + (size // patch_size) ** 2
        inner, heads = settings.decoder_width, settings.decoder_heads
        self.project = nn.Linear(width, inner)
        self.position = nn.Parameter(torch.randn(tokens, inner) * POSITION_SCALE)
        self.blocks = nn.Sequential(
            *(Block(inner, heads, qkv_bias=True) for _ in range(settings.decoder_depth))
        )
        self.norm = nn.LayerNorm(inner)
        self.pixels = nn.Linear(inner, patch_size**2)

    def forward(self, latents: Tensor) -> Tensor:
        """``[N, 1 + patches, C]`` to pixels ``[N, patches, patch_size ** 2]``."""
        tokens = self.blocks(self.project(latents) + self.position)
        return self.pixels(self.norm(tokens[:, 1:]))

    def frames(self, latents: Tensor) -> Tensor:
        """``[..., 1 + patches, C]`` to frames ``[..., S, S]``; grey values are not clipped."""
        pixels = self(latents.flatten(0, -3))
        return unpatchified(pixels, self.patch_size).unflatten(0, latents.shape[:-2])


def patchified(frames: Tensor, patch_size: int) -> Tensor:
    """``[N, h, w]`` as patches row by row, ``[N, patches, patch_size ** 2]``."""
    return F.unfold(frames[:, None], patch_size, stride=patch_size).mT


def unpatchified(pixels: Tensor, patch_size: int) -> Tensor:
    """Square frames ``[N, S, S]`` of :func:`patchified`'s patches."""
    side = round(pixels.shape[1] ** 0.5) * patch_size
    return F.fold(pixels.mT, side, patch_size, stride=patch_size)[:, 0]


def random_masks(frames: int, patches: int, masked: int, generator: Generator) -> Tensor:
    """Exactly ``masked`` of each frame's patches, drawn evenly: ``[frames, patches]`` bool."""
    order = torch.rand(frames, patches, generator=generator).argsort(dim=1)
    return order < masked


class MaskedReconstruction(nn.Module):
    """The first stage: reconstruct the hidden patches of frames from the others.

    Args:
        tokenizer: What learns.
        size: Side of a frame in pixels.
        patch_size: Side of a patch in pixels.
        settings: Decoder and targets.
    """

    def __init__(
        self, tokenizer: Tokenizer, size: int, patch_size: int, settings: TokenizerSettings
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.mask_token = nn.Parameter(torch.zeros(tokenizer.width))
        self.decoder = Decoder(tokenizer.width, size, patch_size, settings)
        self.normalise_patches = settings.normalise_patches
        self.visible_weight = settings.visible_weight

    def forward(self, frames: Tensor, masked: Tensor) -> dict[str, Tensor]:
        """The losses of frames ``[N, S, S]`` in [0, 1], ``[N, patches]`` bool hidden.

        ``total``; where visible patches count too, its parts ``hidden`` and ``visible`` besides.
        """
        latents = self.tokenizer.masked_latents(frames, masked, self.mask_token)
        predicted = self.decoder(latents).float()
        targets = self.targets(frames)
        hidden = reconstruction_loss(predicted, targets, masked)
        if not self.visible_weight:
            return {"total": hidden}
        visible = reconstruction_loss(predicted, targets, ~masked)
        total = hidden + self.visible_weight * visible
        return {"total": total, "hidden": hidden, "visible": visible}

    def targets(self, frames: Tensor) -> Tensor:
        """What is to be reconstructed of ``[N, S, S]``: ``[N, patches, patch_size ** 2]``."""
        pixels = patchified(frames, self.decoder.patch_size)
        if not self.normalise_patches:
            return pixels
        variance, mean = torch.var_mean(pixels, dim=-1, keepdim=True)
        return (pixels - mean) / (variance + LEAST_VARIANCE).sqrt()
