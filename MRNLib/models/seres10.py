"""SERes10, the paper's strong CNN baseline (section 4.2): a 3-D SE-ResNet of ten layers.

"Modified 3D SE-ResNet with 10 layers and SE blocks", built from MONAI's parts: a stem, four basic
squeeze-and-excitation blocks of two convolutions, a linear layer. Per ROI a stem of its own, as the
one-hot masks that are concatenated to the image differ in number; the body is shared. With a
projector it is SERes10-mSupMoCo.

Readings, where the paper is silent: every ROI is resized to one size, so that the four pass the
body as one batch, whose statistics then hold in evaluation too; the stem halves the plane twice and
the slices never, as there are 6 to 15 of them; the masks are the nuclei's, without the background
that they imply.

Batch normalisation makes a step depend on the patients it sees together: gradient accumulation and
several processes do not give exactly what one batch gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MRNLib.anatomy import ROI_NAMES, ROIS, roi
from MRNLib.models.config import VolumeConfig
from MRNLib.models.resampling import resample_labels
from MRNLib.models.system import RegionBatch
from MRNLib.models.volume import VolumeSystem, VolumeSystemConfig


@dataclass(frozen=True)
class SeRes10Config(VolumeSystemConfig):
    """A SERes10.

    Attributes:
        preprocess: Windows and the size of the resized boxes (open in the paper).
        widths: Channels of the four blocks; the last is the token's (512 in the paper).
        reduction: Squeeze of the SE layers (MONAI's 16).
    """

    kind: Literal["seres10"] = "seres10"
    preprocess: VolumeConfig = field(default_factory=lambda: VolumeConfig(size=(16, 96, 96)))
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    reduction: int = 16
    projector: bool = True

    def __post_init__(self) -> None:
        if min(self.widths) < self.reduction or self.reduction < 1:
            raise ValueError(
                f"reduction {self.reduction} must be 1 or more and at most the smallest of the "
                f"widths {self.widths}"
            )


class SeRes10(VolumeSystem):
    """Four mask-enhanced ROIs, four stems, one body.

    Args:
        config: What it is made of.
    """

    config: SeRes10Config

    def __init__(self, config: SeRes10Config) -> None:
        super().__init__(config, ROI_NAMES, config.widths[-1])
        width = config.widths[0]
        self.stems = nn.ModuleDict({one.name: _stem(one.classes, width) for one in ROIS})
        strides = (1, 2, 2, 2)
        inputs = (width, *config.widths[:-1])
        self.body = nn.Sequential(
            *(
                _basic_block(before, after, stride, config.reduction)
                for before, after, stride in zip(inputs, config.widths, strides, strict=True)
            ),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
        )
        _initialise(self.stems)
        _initialise(self.body)

    def volume(self, name: str, region: RegionBatch) -> Tensor:
        """The mask-enhanced input ``[B, 1 + nuclei, S, H, W]``: image, then a mask per nucleus.

        A masked or absent ROI has no masks either: its outline would tell where it was.
        """
        image = super().volume(name, region)
        slices, rows, columns = self.config.preprocess.size
        labels = resample_labels(
            region.labels, region.boxes, region.mirrored, (rows, columns), slices
        )
        masks = F.one_hot(labels, roi(name).classes)[..., 1:].movedim(-1, 1)
        shown = (region.images != 0).flatten(1).any(1).view(-1, 1, 1, 1, 1)
        return torch.cat([image, (masks * shown).to(image)], dim=1)

    def encode(self, volumes: Mapping[str, Tensor]) -> Tensor:
        """Tokens ``[B, 4, C]``; the ROIs pass the body as one batch."""
        stemmed = torch.cat([self.stems[name](volumes[name]) for name in self.regions])
        return self.body(stemmed).unflatten(0, (len(self.regions), -1)).transpose(0, 1)


def _stem(channels: int, width: int) -> nn.Sequential:
    from monai.networks.blocks import Convolution

    return nn.Sequential(
        Convolution(
            3,
            channels,
            width,
            kernel_size=(3, 7, 7),
            strides=(1, 2, 2),
            norm="batch",
            act="relu",
            bias=False,
        ),
        nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    )


def _basic_block(before: int, after: int, stride: int, reduction: int) -> nn.Module:
    """MONAI's SE block with two convolutions of 3 instead of the bottleneck's three."""
    from monai.networks.blocks import Convolution, SEBlock

    usual: dict[str, Any] = {"kernel_size": 3, "norm": "batch", "bias": False}
    project = None
    if stride != 1 or before != after:
        project = Convolution(
            3, before, after, kernel_size=1, strides=stride, norm="batch", act=None, bias=False
        )
    block: Any = SEBlock(
        3,
        before,
        after,
        after,
        after,
        conv_param_1=usual | {"strides": stride, "act": ("relu", {"inplace": True})},
        conv_param_3=usual | {"act": None},
        project=project,
        r=reduction,
    )
    block.conv2 = nn.Identity()
    return block


def _initialise(module: nn.Module) -> None:
    """As MONAI starts its SENet."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight)
        elif isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
