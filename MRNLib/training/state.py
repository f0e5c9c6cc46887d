"""All that a training knows beside its counters, as named tensors and back."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from MRNLib.training import checkpoint as disk
from MRNLib.training.step import Stepper


def state_tensors(stepper: Stepper) -> dict[str, Tensor]:
    """Student, optimizer, teacher and bank, by names with those words in front."""
    tensors = {
        **disk.prefixed("student", stepper.model.state_dict()),
        **disk.prefixed("optimizer", disk.optimizer_tensors(stepper.optimizer, stepper.model)),
    }
    if stepper.contrast is not None:
        contrast = stepper.contrast
        tensors |= disk.prefixed("teacher", contrast.teacher.network.state_dict())
        tensors |= disk.prefixed("bank", contrast.bank.state_dict())
    return tensors


def restore_state(stepper: Stepper, tensors: Mapping[str, Tensor], teacher_updates: int) -> None:
    """Puts back what :func:`state_tensors` gave."""
    stepper.model.load_state_dict(disk.below("student", tensors))
    optimizer = disk.below("optimizer", tensors)
    disk.restore_optimizer(stepper.optimizer, stepper.model, optimizer)
    if stepper.contrast is not None:
        stepper.contrast.teacher.network.load_state_dict(disk.below("teacher", tensors))
        stepper.contrast.bank.load_state_dict(disk.below("bank", tensors))
        stepper.contrast.teacher.updates = teacher_updates
