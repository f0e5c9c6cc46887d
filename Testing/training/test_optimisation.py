"""Which weights learn how fast, which decay, and how the rate runs."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import torch

from MRNLib.models.mrn import build
from MRNLib.training.objective import Contrast, StudentLosses, teacher_network
from MRNLib.training.optimisation import (
    GroupRates,
    is_decayed,
    is_head,
    learning_rate_factor,
    make_optimizer,
    set_learning_rate,
)
from MRNLib.training.schedule import scheduled_factor


@pytest.fixture
def model(config):
    return build(config.model)


def test_every_weight_is_in_one_group_with_its_rate(model):
    optimizer = make_optimizer(model, GroupRates(1e-5, 0.1), GroupRates(1e-4, 0.05), (0.9, 0.999))
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert len(of) == sum(len(group["params"]) for group in optimizer.param_groups)
    for name, parameter in model.named_parameters():
        group = of[id(parameter)]
        head = name.split(".")[0] in ("dpt", "projector", "classification_head")
        assert group["lr"] == (1e-4 if head else 1e-5), name
        if parameter.ndim == 1:
            assert group["weight_decay"] == 0.0, name


@pytest.mark.parametrize(
    ("part", "decayed"),
    [
        ("cls_token", False),
        ("reg_token", False),
        ("roi_token", False),
        ("pos_embed", False),
        ("gamma", False),
        ("norm1.weight", False),
        ("qkv.bias", False),
        ("qkv.weight", True),
        ("patch_embed.proj.weight", True),
    ],
)
def test_what_decays(model, part, decayed):
    found = [(name, one) for name, one in model.named_parameters() if name.endswith(part)]
    assert found
    assert all(is_decayed(name, one) == decayed for name, one in found)


def test_heads_are_told_by_name():
    assert is_head("dpt.project.0.weight")
    assert is_head("classification_head.output.bias")
    assert not is_head("res.backbone.vit.cls_token")


def test_cosine_with_warm_up():
    rates = [learning_rate_factor(step, 20, 4) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert rates[12] == pytest.approx(0.5)
    assert all(a >= b for a, b in pairwise(rates[3:]))
    assert learning_rate_factor(20, 20, 4) == pytest.approx(0.0)


def test_all_groups_follow_the_factor(model):
    optimizer = make_optimizer(model, GroupRates(1e-5, 0.1), GroupRates(1e-4, 0.05), (0.9, 0.999))
    set_learning_rate(optimizer, 0.5)
    set_learning_rate(optimizer, 0.1)
    assert {round(group["lr"], 9) for group in optimizer.param_groups} == {1e-6, 1e-5}


def test_teacher_has_no_segmentation_head(model):
    network = teacher_network(model)
    assert network.dpt is None
    assert model.dpt is not None
    assert not [name for name in network.state_dict() if name.startswith("dpt.")]


def test_teacher_and_student_share_no_weights(model, config):
    contrast = Contrast(model, config.loss, config.teacher, torch.device("cpu"))
    losses = StudentLosses(model, config.loss)
    assert [name for name, _ in losses.named_children()] == ["student"]
    before = {name: one.clone() for name, one in contrast.teacher.network.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    after = contrast.teacher.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_without_a_contrastive_loss_there_is_no_teacher(model, config):
    assert Contrast.wanted(model, config.loss)
    assert not Contrast.wanted(model, config.loss.model_copy(update={"contrastive": 0.0}))
    without = dataclasses.replace(config.model, projector=False)
    assert not Contrast.wanted(build(without), config.loss)


def test_each_phase_has_its_own_course_unless_told_otherwise(config):
    settings = config.train.model_copy(update={"phase1_epochs": 4, "phase2_epochs": 2})
    first = [scheduled_factor(settings, epoch, 0, 10) for epoch in range(6)]
    assert first[0] == first[4] == pytest.approx(0.1)
    assert first[1] == first[5] == pytest.approx(1.0)
    assert first[3] < first[2] < first[1]
    whole = settings.model_copy(update={"schedule": "whole"})
    course = [scheduled_factor(whole, epoch, 0, 10) for epoch in range(1, 6)]
    assert course == sorted(course, reverse=True)
    assert scheduled_factor(whole, 5, 9, 10) < 0.01
