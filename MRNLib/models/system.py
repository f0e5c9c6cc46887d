"""What every network looks like that the trainer trains: MRN and the systems it is compared with.

A system takes regions of patients (:class:`RegionBatch`: crops on one canvas, with the boxes to cut
from it), prepares its own input from them without any chance, and gives a :class:`SystemOutput`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

MIDBRAIN = "MIDBRAIN"
# A pixel that no segmentation loss counts: padding, and all of an absent ROI.
IGNORED_LABEL = -100


@dataclass(frozen=True)
class RegionBatch:
    """One region of B patients: their crops on one canvas, and which box of each is meant.

    Attributes:
        images: ``[B, C, S, H, W]`` float32, 0 and 1 the ends of the modality's window. C is 1 for a
            ROI, 2 (QSM, NM) for ``MIDBRAIN``.
        labels: ``[B, S, H, W]`` uint8: 0 background, n the ROI's n-th nucleus, sides merged.
        boxes: ``[B, 3, 2]`` int64 on the CPU: first and past-the-last index along slice, row and
            column.
        mirrored: ``[B]`` bool on the CPU: the columns of the cut box run the other way.
        present: ``[B]`` bool on the CPU: an absent region has a zero image.
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor
    mirrored: Tensor
    present: Tensor

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        """Slices, rows and columns of each box."""
        return [tuple(size) for size in (self.boxes[..., 1] - self.boxes[..., 0]).tolist()]

    def masked(self) -> RegionBatch:
        """The same boxes with nothing in them, as a masked ROI is (Table 4)."""
        return replace(self, images=torch.zeros_like(self.images))


@dataclass(frozen=True)
class PatientInput:
    """One patient as a system wants it.

    Attributes:
        stacks: The input by region name; MRN's are ``[slices, 3, h, w]``.
        labels: Targets ``[slices, h, w]`` int64 of the segmentation head by region name; empty for
            a system without one.
    """

    stacks: dict[str, Tensor]
    labels: dict[str, Tensor] = field(default_factory=dict)


def patient_inputs(
    stacks: Mapping[str, Sequence[Tensor]], labels: Mapping[str, Sequence[Tensor]] | None = None
) -> list[PatientInput]:
    """Inputs by patient from tensors by region: ``stacks[region][patient]``."""
    labels = labels or {}
    return [
        PatientInput(
            {name: of_patients[number] for name, of_patients in stacks.items()},
            {name: of_patients[number] for name, of_patients in labels.items()},
        )
        for number in range(len(next(iter(stacks.values()))))
    ]


@dataclass(frozen=True)
class SystemOutput:
    """What a system says about a batch of B patients.

    Attributes:
        tokens: ``[B, R, C]``, one feature vector for each of its R regions.
        logits: ``[B, 2]``; class 1 is PD. ``None`` when they were not asked for.
        projections: ``[B, projection_dim]`` unit vectors, or ``None`` without a projection head.
        segmentations: For each patient and ROI name the logits ``[slices, classes, h, w]``, or
            ``None`` when they were not computed.
    """

    tokens: Tensor
    logits: Tensor | None = None
    projections: Tensor | None = None
    segmentations: tuple[dict[str, Tensor], ...] | None = None


class System(nn.Module, ABC):
    """A network from a patient's regions to a diagnosis.

    Its heads are called ``classification_head``, ``projector`` and ``dpt``; the latter two are for
    training only and dropped at export (section 4.1.2).

    Attributes:
        config: What it is made of, a frozen dataclass with a ``kind``.
        regions: Names of the regions it looks at.
    """

    config: Any
    regions: tuple[str, ...]

    @abstractmethod
    def prepare(self, regions: Mapping[str, RegionBatch]) -> list[PatientInput]:
        """Cuts, resizes and normalises; nothing random."""

    @abstractmethod
    def forward(
        self,
        patients: Sequence[Mapping[str, Tensor]],
        *,
        classify: bool = True,
        segment: bool = True,
    ) -> SystemOutput:
        """All heads on ``PatientInput.stacks`` of a batch.

        Args:
            patients: Each patient's input by region name.
            classify: Whether to give logits; without them the classification head stays out of the
                graph (phase 1).
            segment: Whether to segment too, if the system can.
        """
