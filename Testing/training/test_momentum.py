"""The teacher: closed form, warm-up, no gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from MRNLib.training.momentum import MomentumTeacher


def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), nn.Sequential(
        nn.Linear(3, 3), nn.BatchNorm1d(3)
    )


def test_starts_as_the_student_and_follows_in_closed_form():
    network, student = pair()
    teacher = MomentumTeacher(network, student, momentum=0.9)
    start = student[0].weight.detach().clone()
    assert torch.equal(network[0].weight, start)
    with torch.no_grad():
        student[0].weight.add_(1.0)
    for _ in range(5):
        teacher.update(student)
    # A constant student is approached as 1 - m^t.
    assert torch.allclose(network[0].weight, start + (1 - 0.9**5), atol=1e-6)


def test_warm_up_rises_to_the_momentum():
    network, student = pair()
    teacher = MomentumTeacher(network, student, momentum=0.75, warm_up=True)
    assert [teacher.momentum_at(t) for t in (1, 2, 3, 4, 100)] == pytest.approx(
        [0.5, 2 / 3, 0.75, 0.75, 0.75]
    )


def test_is_frozen_and_in_evaluation_mode():
    network, student = pair()
    teacher = MomentumTeacher(network, student)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    student(torch.randn(8, 3)).sum().backward()
    teacher.update(student)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_buffers_are_copied():
    network, student = pair()
    teacher = MomentumTeacher(network, student)
    student(torch.randn(16, 3) + 5)
    teacher.update(student)
    assert torch.equal(network[1].running_mean, student[1].running_mean)


def test_a_teacher_may_lack_modules_of_the_student():
    student = nn.ModuleDict({"shared": nn.Linear(2, 2), "dpt": nn.Linear(2, 2)})
    network = nn.ModuleDict({"shared": nn.Linear(2, 2)})
    MomentumTeacher(network, student, momentum=0.0).update(student)
    assert torch.equal(network["shared"].weight, student["shared"].weight)


def test_momentum_out_of_range():
    network, student = pair()
    with pytest.raises(ValueError, match="momentum"):
        MomentumTeacher(network, student, momentum=1.5)
