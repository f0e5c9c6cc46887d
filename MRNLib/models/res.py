"""RES: from an ROI's slices to its token and the maps to segment it from (Eq. 1, Fig. 2).

DINOv2 on every slice (Eq. 2), the depth embedding (Eq. 3), FFA over the ROI, SFA over its slice
tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from MRNLib.models.backbone import Backbone, SliceFeatures
from MRNLib.models.config import DPT_TAPS, MrnConfig
from MRNLib.models.fusion import FeatureFusion, FusedFeatures, SliceFusion, depth_embedding
from MRNLib.models.packing import Layout, RoiShape


@dataclass(frozen=True)
class RoiFeatures:
    """What RES makes of several ROIs.

    Attributes:
        tokens: ``[ROIs, C]`` ROI tokens, in the order the ROIs were given.
        maps: For each group of equally large slices the segmentation head's four inputs
            ``[slices, C, rows, columns]``; empty when they were not asked for.
        layout: Which slices of the groups belong to which ROI.
        sizes: Height and width in pixels of each ROI's image, in packed order.
    """

    tokens: Tensor
    maps: tuple[tuple[Tensor, ...], ...]
    layout: Layout
    sizes: tuple[tuple[int, int], ...]


class Res(nn.Module):
    """The ROI feature extraction shared by the four ROIs.

    Args:
        config: The model; its segmentation head is not part of RES here, only where its inputs come
            from.
        pretrained: ``False`` builds without reading DINOv2's weights.
    """

    def __init__(self, config: MrnConfig, pretrained: bool = True) -> None:
        super().__init__()
        self.patch_size = config.backbone.patch_size
        self.slice_embedding = config.slice_embedding
        self.fusion_taps = config.fusion_taps
        self.last_tap = config.dpt
        taps = DPT_TAPS - config.fusion_taps if config.dpt else 1
        self.backbone = Backbone(config.backbone, taps, pretrained)
        width, heads = self.backbone.width, self.backbone.num_heads
        self.ffa = FeatureFusion(
            width,
            heads,
            config.ffa_blocks,
            config.fusion_layer_scale,
            config.rope_base,
            config.checkpoint_activations,
        )
        self.sfa = (
            SliceFusion(width, heads, config.sfa_blocks, config.fusion_layer_scale)
            if config.sfa_blocks
            else None
        )
        self.backbone.vit.set_grad_checkpointing(config.checkpoint_activations)

    @property
    def width(self) -> int:
        """Channels C of an ROI token."""
        return self.backbone.width

    def forward(self, stacks: Sequence[Tensor], with_maps: bool = False) -> RoiFeatures:
        """Encode any number of ROIs of any sizes.

        Args:
            stacks: One preprocessed ``[slices, 3, h, w]`` per ROI.
            with_maps: Whether the segmentation head's inputs are wanted.
        """
        layout = Layout.of([self._shape(stack) for stack in stacks])
        packed = [stacks[index] for index in layout.order]
        slices = self._encode_slices(packed, layout, with_maps)
        sizes = [(stack.shape[-2], stack.shape[-1]) for stack in packed]
        return self.fuse(slices, layout, sizes, with_maps)

    def fuse(
        self,
        slices: Sequence[SliceFeatures],
        layout: Layout,
        sizes: Sequence[tuple[int, int]],
        with_maps: bool = False,
    ) -> RoiFeatures:
        """What comes after DINOv2, for slices encoded before.

        Args:
            slices: DINOv2's tokens of each group of equally large slices, in packed order.
            layout: Which slices belong to which ROI.
            sizes: Height and width in pixels of each ROI's image, in packed order.
            with_maps: As in :meth:`forward`; the slices then need all taps.
        """
        fused = self.ffa(self._join(slices, layout), layout)
        tokens = self._roi_tokens(slices, fused, layout)
        return RoiFeatures(
            tokens=tokens[layout.inverse],
            maps=self._maps(slices, fused, layout) if with_maps else (),
            layout=layout,
            sizes=tuple(sizes),
        )

    def _shape(self, stack: Tensor) -> RoiShape:
        if stack.ndim != 4 or stack.shape[1] != 3 or not stack.shape[0]:
            raise ValueError(f"an ROI is [slices, 3, h, w], got {tuple(stack.shape)}")
        height, width = stack.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(f"{height} x {width} pixels are not a multiple of {self.patch_size}")
        return RoiShape(height // self.patch_size, width // self.patch_size, stack.shape[0])

    def _encode_slices(
        self, packed: Sequence[Tensor], layout: Layout, with_maps: bool
    ) -> list[SliceFeatures]:
        """DINOv2 on all slices of one size at once, group after group."""
        remaining = iter(packed)
        return [
            self.backbone(torch.cat(list(islice(remaining, len(rois)))), all_taps=with_maps)
            for rois in layout.groups_of_rois
        ]

    def _join(self, slices: Sequence[SliceFeatures], layout: Layout) -> Tensor:
        """DINOv2's tokens, packed, with the depth embedding of Eq. 3 on all of them."""
        groups = []
        for group in slices:
            patches = group.patch_maps[-1].flatten(2).transpose(1, 2)
            groups.append(torch.cat([group.slice_tokens[:, None], patches], dim=1).flatten(0, 1))
        tokens = torch.cat(groups)
        if not self.slice_embedding:
            return tokens
        embedding = [
            depth_embedding(roi.slices, self.width, tokens.device).repeat_interleave(
                roi.slice_length, dim=0
            )
            for roi in layout.rois
        ]
        return tokens + torch.cat(embedding).to(tokens.dtype)

    def _roi_tokens(
        self, slices: Sequence[SliceFeatures], fused: Sequence[FusedFeatures], layout: Layout
    ) -> Tensor:
        """One token per ROI, in packed order: SFA's, or the mean of the slice tokens."""
        last = fused[-1].after_local if fused else self._join(slices, layout)
        slice_tokens = layout.slice_tokens(last)
        if self.sfa is not None:
            return self.sfa(slice_tokens, layout)
        return torch.stack([roi.mean(0) for roi in layout.split_slices(slice_tokens)])

    def _maps(
        self, slices: Sequence[SliceFeatures], fused: Sequence[FusedFeatures], layout: Layout
    ) -> tuple[tuple[Tensor, ...], ...]:
        """The segmentation head's inputs (Fig. 3): DINOv2's, then those of the last FFA blocks."""
        tapped = fused[len(fused) - self.fusion_taps :]
        taps = [block.after_global for block in tapped]
        if tapped and self.last_tap == "local":
            taps[-1] = tapped[-1].after_local
        levels = [layout.patch_maps(tokens) for tokens in taps]
        return tuple(
            (*group.patch_maps, *(level[number] for level in levels))
            for number, group in enumerate(slices)
        )
