"""What the three-dimensional systems share: boxes resized to one size, tokens, MRN's heads.

Each region becomes one feature vector (its token); the vectors are concatenated and go to the same
classification head as MRN's (section 4.2 of arXiv 2509.17566).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from MRNLib.models.config import STRICT, VolumeConfig
from MRNLib.models.heads import ClassificationHead, ProjectionHead
from MRNLib.models.resampling import resample_box
from MRNLib.models.system import PatientInput, RegionBatch, System, SystemOutput


@dataclass(frozen=True)
class VolumeSystemConfig:
    """What every three-dimensional system is set by.

    Attributes:
        kind: Tells a system's settings from the other systems'.
        preprocess: Windows and the size of the resized boxes.
        projector: Whether there is a projection head for the contrastive loss.
        head_hidden: Hidden width of the classification head.
        head_dropout: Its dropout.
        projection_hidden: Hidden width of the projection head.
        projection_dim: Width of the contrastive space.
    """

    __pydantic_config__ = STRICT

    kind: str = ""
    preprocess: VolumeConfig = field(default_factory=VolumeConfig)
    projector: bool = False
    head_hidden: int = 768
    head_dropout: float = 0.5
    projection_hidden: int = 768
    projection_dim: int = 128

    def for_inference(self) -> Self:
        """The same model without what is for training only, to load exported weights into."""
        return replace(self, projector=False)


class VolumeSystem(System):
    """A system of volumes of one size.

    Args:
        config: Its settings.
        regions: Names of its regions, in the order of the tokens.
        width: Channels C of a token.
    """

    config: VolumeSystemConfig

    def __init__(self, config: VolumeSystemConfig, regions: Sequence[str], width: int) -> None:
        super().__init__()
        self.config = config
        self.regions = tuple(regions)
        features = len(self.regions) * width
        self.classification_head = ClassificationHead(
            features, config.head_hidden, config.head_dropout
        )
        self.projector = (
            ProjectionHead(features, config.projection_hidden, config.projection_dim)
            if config.projector
            else None
        )

    @abstractmethod
    def encode(self, volumes: Mapping[str, Tensor]) -> Tensor:
        """Tokens ``[B, R, C]`` of volumes ``[B, channels, S, H, W]`` by region name."""

    def volume(self, name: str, region: RegionBatch) -> Tensor:
        """The input of one region, ``[B, channels, S, H, W]`` in [0, 1]: its box, resized."""
        slices, rows, columns = self.config.preprocess.size
        return resample_box(region.images, region.boxes, region.mirrored, (rows, columns), slices)

    def prepare(self, regions: Mapping[str, RegionBatch]) -> list[PatientInput]:
        """Every box resized to ``config.preprocess.size``; no segmentation targets."""
        volumes = [self.volume(name, regions[name]) for name in self.regions]
        return [
            PatientInput(dict(zip(self.regions, one, strict=True)))
            for one in zip(*volumes, strict=True)
        ]

    def forward(
        self,
        patients: Sequence[Mapping[str, Tensor]],
        *,
        classify: bool = True,
        segment: bool = True,
    ) -> SystemOutput:
        """The heads on a batch of patients; see :meth:`System.forward`. Never segments."""
        del segment
        volumes = {
            name: torch.stack([patient[name] for patient in patients]) for name in self.regions
        }
        tokens = self.encode(volumes)
        return SystemOutput(
            tokens=tokens,
            logits=self.classification_head(tokens) if classify else None,
            projections=None if self.projector is None else self.projector(tokens),
        )
