"""Feature fusion (FFA) and slice fusion (SFA) self-attention, section 3.2 of arXiv 2509.17566.

The blocks are VGGT's (arXiv 2503.11651): pre-norm, GELU, LayerScale, queries and keys normalised
per head, and in FFA a 2-D rotary embedding. What differs is Eq. 3: an embedding of the slice's
depth on every token.

All of it works on packed tokens ``[tokens, C]`` (see ``packing``): linear layers and norms act on
all ROIs at once, attention on dense sequences, without masks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from MRNLib.models.packing import Layout, RoiShape, Runs


class Rotary(NamedTuple):
    """Cosines and sines ``[tokens, head width]`` of the rotary embedding."""

    cosine: Tensor
    sine: Tensor


def depth_embedding(slices: int, channels: int, device: torch.device | None = None) -> Tensor:
    """Eq. 3: the 1-D sine-cosine embedding ``[slices, channels]`` of slice 0, 1, ... of an ROI."""
    half = channels // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=device) / half)
    angles = torch.arange(slices, device=device)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def grid_positions(shape: RoiShape, device: torch.device | None = None) -> Tensor:
    """Row and column ``[1 + patches, 2]`` of a slice's token (0, 0) and patches (from 1, 1)."""
    rows = torch.arange(1, shape.rows + 1, device=device)
    columns = torch.arange(1, shape.columns + 1, device=device)
    return F.pad(torch.cartesian_prod(rows, columns), (0, 0, 1, 0))


def rotary_tables(positions: Tensor, head_width: int, base: float) -> Rotary:
    """The rotary embedding of the rows and columns ``positions`` ``[tokens, 2]``.

    The row turns the first half of a head's channels, the column the second.
    """
    quarter = head_width // 4
    frequencies = base ** (-torch.arange(quarter, device=positions.device) / quarter)
    angles = positions[:, :, None] * frequencies
    angles = torch.cat([angles, angles], dim=2).flatten(1)
    return Rotary(angles.cos(), angles.sin())


def rotate(vectors: Tensor, rotary: Rotary) -> Tensor:
    """Turn ``[tokens, heads, head width]`` by the rotary embedding of each token."""
    first, second = vectors.unflatten(-1, (2, 2, -1)).unbind(-2)
    turned = torch.stack([-second, first], dim=-2).flatten(-3)
    return vectors * rotary.cosine[:, None] + turned * rotary.sine[:, None]


class LayerScale(nn.Module):
    """A learned scale per channel."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), initial))

    def forward(self, tokens: Tensor) -> Tensor:
        """``[..., C]`` scaled."""
        return tokens * self.gamma


class Attention(nn.Module):
    """Multi-head self-attention within each of several packed sequences."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = nn.LayerNorm(width // num_heads)
        self.k_norm = nn.LayerNorm(width // num_heads)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, runs: Runs, rotary: Rotary | None = None) -> Tensor:
        """Attend within the sequences ``runs`` of packed ``[tokens, C]``."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.num_heads, -1)).unbind(1)
        query, key = self.q_norm(query), self.k_norm(key)
        if rotary is not None:
            query, key = rotate(query, rotary), rotate(key, rotary)
        # Under autocast the norms and rotations give float32; attention wants one type.
        query, key = query.to(value.dtype), key.to(value.dtype)
        sizes = [count * length for count, length in runs]
        attended = [
            F.scaled_dot_product_attention(
                *(part.unflatten(0, run).transpose(1, 2) for part in parts)
            )
            .transpose(1, 2)
            .flatten(0, 1)
            for run, *parts in zip(
                runs, query.split(sizes), key.split(sizes), value.split(sizes), strict=True
            )
        ]
        return self.proj(torch.cat(attended).flatten(1))


class Block(nn.Module):
    """VGGT's transformer block: attention, then a perceptron, pre-normalised and scaled."""

    def __init__(self, width: int, num_heads: int, layer_scale: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, num_heads)
        self.ls1 = LayerScale(width, layer_scale)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)
        self.ls2 = LayerScale(width, layer_scale)

    def forward(self, tokens: Tensor, runs: Runs, rotary: Rotary | None = None) -> Tensor:
        """Packed ``[tokens, C]`` to the same shape."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens), runs, rotary))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class FusedFeatures(NamedTuple):
    """Packed ``[tokens, C]`` after an FFA block's global and after its local attention."""

    after_global: Tensor
    after_local: Tensor


class FeatureFusion(nn.Module):
    """FFA: attention over all slices of an ROI, then within each slice, repeated.

    Args:
        width: Channels C.
        num_heads: Attention heads; C must be a multiple of four times that.
        blocks: Repetitions (3 in the paper).
        layer_scale: Initial LayerScale.
        rope_base: Base of the rotary embedding.
        recompute: Recompute activations in the backward pass.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        blocks: int,
        layer_scale: float = 0.01,
        rope_base: float = 100.0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if width % (4 * num_heads):
            raise ValueError(f"width {width} is not a multiple of four times {num_heads} heads")
        self.head_width = width // num_heads
        self.rope_base = rope_base
        self.recompute = recompute
        self.global_blocks, self.local_blocks = (
            nn.ModuleList(Block(width, num_heads, layer_scale) for _ in range(blocks))
            for _ in range(2)
        )

    def forward(self, tokens: Tensor, layout: Layout) -> list[FusedFeatures]:
        """Fuse packed ``[tokens, C]``; one entry per block, in order."""
        rotary = self._rotary(layout, tokens.device)
        fused = []
        for global_block, local_block in zip(self.global_blocks, self.local_blocks, strict=True):
            after_global = self._run(global_block, tokens, layout.global_runs, rotary)
            tokens = self._run(local_block, after_global, layout.local_runs, rotary)
            fused.append(FusedFeatures(after_global, tokens))
        return fused

    def _rotary(self, layout: Layout, device: torch.device) -> Rotary:
        tables = [
            rotary_tables(grid_positions(group, device), self.head_width, self.rope_base)
            for group in layout.groups
        ]
        counts = [group.slices for group in layout.groups]
        return Rotary(
            *(
                torch.cat(
                    [part.repeat(count, 1) for part, count in zip(parts, counts, strict=True)]
                )
                for parts in zip(*tables, strict=True)
            )
        )

    def _run(self, block: nn.Module, tokens: Tensor, runs: Runs, rotary: Rotary) -> Tensor:
        if self.recompute and self.training:
            return checkpoint(block, tokens, runs, rotary, use_reentrant=False)
        return block(tokens, runs, rotary)


class SliceFusion(nn.Module):
    """SFA: a learned token attends to the slice tokens of an ROI and becomes the ROI's token.

    The token is shared by the four ROIs, as RES is. A final norm closes the pre-norm blocks.
    """

    def __init__(self, width: int, num_heads: int, blocks: int, layer_scale: float = 0.01) -> None:
        super().__init__()
        self.roi_token = nn.Parameter(torch.randn(1, width) * 1e-6)
        self.blocks = nn.ModuleList(Block(width, num_heads, layer_scale) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, slice_tokens: Tensor, layout: Layout) -> Tensor:
        """``[slices of all ROIs, C]`` to ``[ROIs, C]``, both in packed order."""
        roi_token = self.roi_token.to(slice_tokens.dtype)
        sequences = [part for roi in layout.split_slices(slice_tokens) for part in (roi_token, roi)]
        tokens = torch.cat(sequences)
        for block in self.blocks:
            tokens = block(tokens, layout.roi_runs)
        return self.norm(tokens[layout.roi_token_positions])
