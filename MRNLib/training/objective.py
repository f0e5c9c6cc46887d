"""The losses of a part of a batch, and the teacher and bank behind them (paper section 3.4).

A batch may be taken in parts: by several processes, or one after another to save memory. Every part
gives its share of the batch's losses (sums over its own patients, divided by what the whole batch
counts), so that the shares add up to the losses of the whole batch, and so do their gradients. What
falls out by dropout and drop path is drawn for each part.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from MRNLib.models.system import PatientInput, System, SystemOutput
from MRNLib.training.config import LossSettings, TeacherSettings
from MRNLib.training.losses import (
    LossParts,
    classification_loss,
    contrastive_loss,
    countable,
    segmentation_sum,
)
from MRNLib.training.memory_bank import Keys, MemoryBank
from MRNLib.training.momentum import MomentumTeacher


@dataclass(frozen=True)
class Part:
    """Some patients of a batch, as the student sees them.

    Attributes:
        inputs: From ``System.prepare``.
        diagnoses: ``[P]`` classes.
        patients: ``[P]`` positions in the dataset.
    """

    inputs: list[PatientInput]
    diagnoses: Tensor
    patients: Tensor


@dataclass(frozen=True)
class Whole:
    """What the shares of a batch are divided by, and the keys that all its anchors meet.

    Attributes:
        patients: Patients of the batch.
        volumes: Its ROI volumes with labels.
        keys: The batch's own keys, then the bank's; ``None`` without a contrastive loss.
        anchors: How many of its patients have a positive and a negative among them, a scalar.
    """

    patients: int
    volumes: int
    keys: Keys | None = None
    anchors: Tensor | None = None


class StudentLosses(nn.Module):
    """The student with its losses on top: what several processes share the gradients of.

    Args:
        student: The model in training.
        settings: Weights and options.
    """

    def __init__(self, student: System, settings: LossSettings) -> None:
        super().__init__()
        self.student = student
        self.settings = settings

    def forward(self, part: Part, whole: Whole, classify: bool) -> LossParts:
        """The part's shares of the batch's losses.

        Args:
            part: Patients of the batch.
            whole: What the shares refer to.
            classify: Whether the classification loss takes part (phase 2).
        """
        output: SystemOutput = self.student(
            [one.stacks for one in part.inputs],
            classify=classify,
            segment=self.settings.segmentation > 0,
        )
        classification = None
        if classify and output.logits is not None:
            share = len(part.inputs) / whole.patients
            classification = classification_loss(output.logits, part.diagnoses) * share
        return LossParts(
            self._segmentation(output, part, whole),
            self._contrastive(output, part, whole),
            classification,
        )

    def _contrastive(self, output: SystemOutput, part: Part, whole: Whole) -> Tensor | None:
        keys = whole.keys
        if keys is None or output.projections is None:
            return None
        own = self.settings.exclude_own_patient
        return contrastive_loss(
            output.projections,
            part.diagnoses,
            keys.vectors,
            keys.labels,
            temperature=self.settings.temperature,
            form=self.settings.contrastive_form,
            usable=keys.usable_for(part.patients) if own else None,
            counted=whole.anchors,
        )

    def _segmentation(self, output: SystemOutput, part: Part, whole: Whole) -> Tensor | None:
        if output.segmentations is None or not whole.volumes:
            return None
        logits, labels = _pairs(output.segmentations, part.inputs)
        return segmentation_sum(logits, labels) / whole.volumes if logits else None


def _pairs(
    segmentations: Sequence[Mapping[str, Tensor]], inputs: Sequence[PatientInput]
) -> tuple[list[Tensor], list[Tensor]]:
    """Logits and labels of every ROI volume; an absent one has nothing but ignored labels."""
    logits, labels = [], []
    for output, one in zip(segmentations, inputs, strict=True):
        for name, target in one.labels.items():
            logits.append(output[name])
            labels.append(target)
    return logits, labels


def teacher_network(student: System) -> System:
    """A copy of the student without the segmentation head, which a teacher never uses."""
    network = copy.deepcopy(student)
    if hasattr(network, "dpt"):
        network.dpt = None  # type: ignore[assignment]
    return network


class Contrast:
    """The momentum teacher and the bank of its projections.

    Args:
        student: The model that the teacher follows.
        loss: The bank's size and which keys an anchor may meet.
        teacher: The teacher's settings.
        device: Where the bank lives.
    """

    def __init__(
        self, student: System, loss: LossSettings, teacher: TeacherSettings, device: torch.device
    ) -> None:
        self.settings = loss
        self.teacher = MomentumTeacher(
            teacher_network(student), student, teacher.momentum, teacher.warm_up
        )
        self.bank = MemoryBank(loss.bank_capacity, student.config.projection_dim).to(device)

    @staticmethod
    def wanted(student: System, loss: LossSettings) -> bool:
        """Whether there is a contrastive loss to have them for."""
        return loss.contrastive > 0 and bool(student.config.projector)

    @torch.no_grad()
    def project(self, inputs: Sequence[PatientInput]) -> Tensor:
        """The teacher's projections ``[P, D]``, float32."""
        network = self.teacher.network
        stacks = [one.stacks for one in inputs]
        return network(stacks, classify=False, segment=False).projections.float()

    def meeting(self, current: Keys) -> tuple[Keys, Tensor]:
        """The keys that a batch's anchors meet, and how many of the anchors count.

        The batch's own keys are not in the bank yet, so no key is counted twice.
        """
        keys = current.joined(self.bank.keys())
        own = self.settings.exclude_own_patient
        usable = keys.usable_for(current.patients) if own else None
        return keys, countable(current.labels, keys.labels, usable)
