"""One training step's losses: student, teacher and bank together (paper section 3.4)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from MRNLib.models.mrn import Mrn
from MRNLib.training.config import LossSettings, TeacherSettings
from MRNLib.training.dataset import Sample
from MRNLib.training.losses import (
    IGNORED_LABEL,
    LossParts,
    classification_loss,
    contrastive_loss,
    mean_segmentation_loss,
)
from MRNLib.training.memory_bank import Keys, MemoryBank
from MRNLib.training.momentum import MomentumTeacher


def teacher_network(student: Mrn) -> Mrn:
    """A copy of the student without the segmentation head, which a teacher never uses."""
    network = copy.deepcopy(student)
    network.dpt = None
    return network


class Objective(nn.Module):
    """The losses of a batch, and what they need beside the student.

    Args:
        student: The model in training; held by reference, not as a submodule.
        loss: Weights and options.
        teacher: The teacher's settings.
    """

    def __init__(self, student: Mrn, loss: LossSettings, teacher: TeacherSettings) -> None:
        super().__init__()
        self.settings = loss
        self._student = [student]
        self.teacher = MomentumTeacher(
            teacher_network(student), student, teacher.momentum, teacher.warm_up
        )
        self.bank = MemoryBank(loss.bank_capacity, student.config.projection_dim)

    @property
    def student(self) -> Mrn:
        """The model in training."""
        return self._student[0]

    def losses(
        self, samples: Sequence[Sample], teacher_samples: Sequence[Sample], classify: bool
    ) -> tuple[LossParts, Keys]:
        """The losses of one batch and the keys to put into the bank after the step.

        The batch's keys are not in the bank yet, so no key is counted twice.

        Args:
            samples: The batch as the student sees it.
            teacher_samples: The same patients as the teacher sees them.
            classify: Whether the classification loss takes part (phase 2).
        """
        device = next(self.student.parameters()).device
        diagnoses = torch.tensor([sample.diagnosis for sample in samples], device=device)
        patients = torch.tensor([sample.patient for sample in samples], device=device)
        output = self.student(
            [sample.stacks for sample in samples], segment=self.settings.segmentation > 0
        )
        current = Keys(self._teacher_projections(teacher_samples), diagnoses, patients)
        contrastive = None
        if self.settings.contrastive > 0 and output.projections is not None:
            keys = current.joined(self.bank.keys())
            contrastive = contrastive_loss(
                output.projections,
                diagnoses,
                keys.vectors,
                keys.labels,
                temperature=self.settings.temperature,
                form=self.settings.contrastive_form,
                usable=keys.usable_for(patients) if self.settings.exclude_own_patient else None,
            )
        segmentation = None
        if output.segmentations is not None:
            segmentation = mean_segmentation_loss(*_pairs(output.segmentations, samples))
        classification = classification_loss(output.logits, diagnoses) if classify else None
        return LossParts(segmentation, contrastive, classification), current

    @torch.no_grad()
    def _teacher_projections(self, samples: Sequence[Sample]) -> Tensor:
        network = self.teacher.network
        projections = network([sample.stacks for sample in samples], segment=False).projections
        return projections.float()


def _pairs(
    segmentations: Sequence[Mapping[str, Tensor]], samples: Sequence[Sample]
) -> tuple[list[Tensor], list[Tensor]]:
    """Logits and labels of every ROI volume that has labels."""
    logits, labels = [], []
    for output, sample in zip(segmentations, samples, strict=True):
        for name, target in sample.labels.items():
            if bool((target != IGNORED_LABEL).any()):
                logits.append(output[name])
                labels.append(target)
    return logits, labels
