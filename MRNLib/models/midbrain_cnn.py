"""The organisers' kind of baseline: one crop around the midbrain, QSM and NM as two channels.

The challenge's own classification baseline crops 50 mm around the midbrain, at most 9 slices, and
trains a MONAI 3-D CNN whose folds vote. The network here is MONAI's ResNet-10, the smallest of its
family, with a first layer that keeps the slices: pooling and the strides of the later blocks bring
9 slices to 1, while a DenseNet-121 would halve them five times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from MRNLib.models.config import VolumeConfig
from MRNLib.models.system import MIDBRAIN
from MRNLib.models.volume import VolumeSystem, VolumeSystemConfig

CHANNELS = 2  # QSM, NM
WIDTH = 512  # of MONAI's ResNet-10 at widen_factor 1


@dataclass(frozen=True)
class MidbrainCnnConfig(VolumeSystemConfig):
    """A ResNet-10 on the midbrain.

    Attributes:
        preprocess: Windows and the size of the resized crop; 75 pixels are 50 mm of the challenge's
            images.
        widen_factor: Share of ResNet-10's channels.
    """

    kind: Literal["midbrain_cnn"] = "midbrain_cnn"
    preprocess: VolumeConfig = field(default_factory=lambda: VolumeConfig(size=(9, 75, 75)))
    widen_factor: float = 1.0

    def __post_init__(self) -> None:
        if not 1 / 64 <= self.widen_factor <= 4:
            raise ValueError(f"widen_factor must lie in [1/64, 4], got {self.widen_factor}")

    @property
    def width(self) -> int:
        """Channels of the token."""
        return int(WIDTH * self.widen_factor)


class MidbrainCnn(VolumeSystem):
    """One crop of two channels, one CNN.

    Args:
        config: What it is made of.
    """

    config: MidbrainCnnConfig

    def __init__(self, config: MidbrainCnnConfig) -> None:
        super().__init__(config, (MIDBRAIN,), config.width)
        from monai.networks.nets import resnet10

        self.network = resnet10(
            spatial_dims=3,
            n_input_channels=CHANNELS,
            conv1_t_size=(3, 7, 7),
            conv1_t_stride=(1, 2, 2),
            widen_factor=config.widen_factor,
            bias_downsample=False,
            feed_forward=False,
        )

    def encode(self, volumes: Mapping[str, Tensor]) -> Tensor:
        """The token ``[B, 1, C]`` of crops ``[B, 2, S, H, W]``."""
        return self.network(volumes[MIDBRAIN])[:, None]
