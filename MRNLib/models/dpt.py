"""The dense prediction transformer that segments the nuclei, section 3.2.1 of arXiv 2509.17566.

Four maps of patch tokens become a pyramid at 4, 2, 1 and 1/2 times the patch grid, fused from
coarse to fine (DPT, arXiv 2103.13413, with VGGT's layer norm on the tokens and no batch norm).
Logits come at 4 times the patch grid and are interpolated to the image. It is used in training
only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """``[slices, features, h, w]`` to the same shape."""
        return maps + self.conv2(F.relu(self.conv1(F.relu(maps))))


class Fusion(nn.Module):
    """Add a finer map to the coarser ones' sum, refine, and enlarge to the next finer map."""

    def __init__(self, features: int, coarsest: bool = False) -> None:
        super().__init__()
        self.lateral = None if coarsest else ResidualUnit(features)
        self.refine = ResidualUnit(features)
        self.project = nn.Conv2d(features, features, 1)

    def forward(
        self, coarser: Tensor, finer: Tensor | None = None, size: Sequence[int] | None = None
    ) -> Tensor:
        """Fuse ``[slices, features, h, w]``; ``size`` is the height and width to enlarge to."""
        if self.lateral is not None and finer is not None:
            coarser = coarser + self.lateral(finer)
        fused = self.refine(coarser)
        if size is not None:
            fused = F.interpolate(fused, size=tuple(size), mode="bilinear", align_corners=True)
        return self.project(fused)


class DensePrediction(nn.Module):
    """DPT with one 1x1 output per ROI.

    Args:
        width: Channels C of the tokens.
        classes: Classes, background included, for each ROI's name.
        channels: Channels of the four reassembled maps, fine to coarse.
        features: Channels while fusing.
    """

    def __init__(
        self,
        width: int,
        classes: Mapping[str, int],
        channels: Sequence[int] = (96, 192, 384, 768),
        features: int = 256,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.reassemble = nn.ModuleList(nn.Conv2d(width, count, 1) for count in channels)
        self.resample = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        self.laterals = nn.ModuleList(
            nn.Conv2d(count, features, 3, padding=1, bias=False) for count in channels
        )
        self.fusions = nn.ModuleList(Fusion(features, coarsest=level == 3) for level in range(4))
        self.smooth = nn.Conv2d(features, features // 2, 3, padding=1)
        self.outputs = nn.ModuleDict(
            {name: nn.Conv2d(features // 2, count, 1) for name, count in classes.items()}
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse the patch tokens of equally large slices.

        Args:
            maps: Four ``[slices, C, rows, columns]``, from the first tapped layer to the last.

        Returns:
            ``[slices, features / 2, 4 rows, 4 columns]``, to be given to ``logits``.
        """
        pyramid = [
            lateral(resample(reassemble(self._normalise(tokens))))
            for tokens, reassemble, resample, lateral in zip(
                maps, self.reassemble, self.resample, self.laterals, strict=True
            )
        ]
        fused = self.fusions[3](pyramid[3], size=pyramid[2].shape[-2:])
        fused = self.fusions[2](fused, pyramid[2], size=pyramid[1].shape[-2:])
        fused = self.fusions[1](fused, pyramid[1], size=pyramid[0].shape[-2:])
        return F.relu(self.smooth(self.fusions[0](fused, pyramid[0])))

    def logits(self, fused: Tensor, roi_name: str, size: Sequence[int]) -> Tensor:
        """An ROI's logits ``[slices, classes, h, w]`` at the image's ``size`` (h, w)."""
        return F.interpolate(
            self.outputs[roi_name](fused), size=tuple(size), mode="bilinear", align_corners=False
        )

    def _normalise(self, maps: Tensor) -> Tensor:
        return self.norm(maps.movedim(1, -1)).movedim(-1, 1)
