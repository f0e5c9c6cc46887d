from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from region_helpers import (
    TINY_SERES10,
    TINY_SYSTEMS,
    diagnoses,
    losses,
    make_regions,
    mirrored,
    run,
)
from torch import nn

from MRNLib.anatomy import ROI_NAMES
from MRNLib.models.build import SystemConfig, build_system
from MRNLib.models.config import PAPER, SMALL
from MRNLib.models.m3d_clip import M3dClipConfig
from MRNLib.models.midbrain_cnn import MidbrainCnnConfig
from MRNLib.models.mrn import TRAINING_ONLY, Mrn, inference_state
from MRNLib.models.seres10 import SeRes10Config
from MRNLib.models.system import MIDBRAIN, System

systems = pytest.mark.parametrize("config", TINY_SYSTEMS, ids=lambda config: config.kind)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def width_of(config: SystemConfig) -> int:
    width = getattr(config, "width", None)
    return width if width is not None else config.widths[-1]


@systems
def test_shapes(config):
    system = build_system(config)
    assert isinstance(system, System)
    regions = make_regions(3)
    for one in system.prepare(regions):
        assert set(one.stacks) == set(system.regions)
        assert one.labels == {}
        for stack in one.stacks.values():
            assert stack.shape[1:] == config.preprocess.size
            assert stack.dtype == torch.float32
    tokens, logits, projections = run(system, regions)
    assert tokens.shape == (3, len(system.regions), width_of(config))
    assert logits is not None
    assert logits.shape == (3, 2)
    assert (projections is not None) == config.projector


def test_regions():
    looked_at = [build_system(config).regions for config in TINY_SYSTEMS]
    assert looked_at == [ROI_NAMES, ROI_NAMES, (MIDBRAIN,)]


@systems
def test_one_optimisation_lowers_the_loss(config):
    system = build_system(config)
    stacks = [one.stacks for one in system.prepare(make_regions())]
    values = losses(system, stacks, 60)
    assert values[-1] < 0.3 * values[0]
    # What was learned holds in evaluation too: batch statistics are those of training.
    system.eval()
    correct = system(stacks).logits.argmax(1) == diagnoses()
    assert correct.float().mean() >= 0.75


@systems
def test_every_parameter_is_trained(config):
    system = build_system(config).train()
    stacks = [one.stacks for one in system.prepare(make_regions(4))]
    output = system(stacks)
    loss = output.logits.square().sum() + output.tokens.sum()
    if output.projections is not None:
        loss = loss + output.projections[:, 0].sum()
    loss.backward()
    unused = [name for name, one in system.named_parameters() if one.grad is None]
    assert unused == []


@systems
def test_evaluation_does_not_depend_on_the_batch(config):
    system = build_system(config)
    losses(system, [one.stacks for one in system.prepare(make_regions())], 2)
    stacks = [one.stacks for one in system.eval().prepare(make_regions(4))]
    together = system(stacks).logits
    alone = torch.cat([system([one]).logits for one in stacks])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@systems
def test_masked_and_absent_regions_are_blank(config):
    system = build_system(config).eval()
    name = system.regions[0]
    absent = make_regions(2, absent=name)
    masked = make_regions(2) | {name: make_regions(2)[name].masked()}
    assert not system.prepare(absent)[0].stacks[name].any()
    assert system.prepare(absent)[1].stacks[name].any()
    for one in system.prepare(masked):
        assert not one.stacks[name].any()
    first = slice(0, 1)
    torch.testing.assert_close(run(system, absent)[1][first], run(system, masked)[1][first])
    assert not torch.allclose(run(system, masked)[1], run(system, make_regions(2))[1])


@systems
def test_mirroring_flips_what_the_system_sees(config):
    system = build_system(config)
    name = system.regions[-1]
    regions = make_regions(2)
    plain = system.prepare(regions)
    flipped = system.prepare(regions | {name: mirrored(regions[name])})
    for before, after in zip(plain, flipped, strict=True):
        torch.testing.assert_close(before.stacks[name].flip(-1), after.stacks[name])


@systems
def test_without_classification_the_head_stays_out(config):
    tokens, logits, _ = run(build_system(config), make_regions(2), classify=False)
    assert logits is None
    assert tokens.requires_grad


@systems
def test_export_and_load(config):
    system = build_system(config)
    losses(system, [one.stacks for one in system.prepare(make_regions(4))], 2)
    state = inference_state(system.state_dict())
    assert not any(name.startswith(TRAINING_ONLY) for name in state)
    read = build_system(config.for_inference(), pretrained=False)
    read.load_state_dict(state)
    regions = make_regions(2)
    expected = run(system.eval(), regions)[1]
    torch.testing.assert_close(run(read.eval(), regions)[1], expected)


@systems
def test_heads_are_named_so_that_they_get_the_heads_learning_rate(config):
    names = {name.split(".")[0] for name, _ in build_system(config).named_parameters()}
    heads = {"classification_head"} | ({"projector"} if config.projector else set())
    assert heads <= names
    assert "dpt" not in names


@pytest.mark.parametrize("config", [*TINY_SYSTEMS, PAPER, SMALL], ids=lambda config: config.kind)
def test_json_round_trip(config):
    adapter: TypeAdapter[SystemConfig] = TypeAdapter(SystemConfig)
    text = json.dumps(dataclasses.asdict(config))
    assert adapter.validate_json(text) == config


@pytest.mark.parametrize("kind", [SeRes10Config, M3dClipConfig, MidbrainCnnConfig])
def test_unknown_setting(kind):
    with pytest.raises(ValidationError, match="widht"):
        TypeAdapter(kind).validate_python({"widht": 3})


def test_build_chooses_by_type(tiny):
    assert isinstance(build_system(tiny), Mrn)
    with pytest.raises(TypeError, match="dict"):
        build_system({})  # type: ignore[arg-type]


def test_impossible_settings():
    with pytest.raises(ValueError, match="reduction"):
        dataclasses.replace(TINY_SERES10, reduction=16)
    with pytest.raises(ValueError, match="widen_factor"):
        MidbrainCnnConfig(widen_factor=0)
    with pytest.raises(ValueError, match="patch_size"):
        M3dClipConfig(patch_size=(5, 16, 16))
    with pytest.raises(ValueError, match="num_heads"):
        M3dClipConfig(num_heads=11)


def test_paper_sizes():
    """512-d features of ten layers (section 4.2), and the midbrain's slices suffice."""
    with torch.device("meta"):
        system = build_system(SeRes10Config())
        midbrain = build_system(MidbrainCnnConfig())
    convolutions = [
        one
        for one in system.body.modules()
        if isinstance(one, nn.Conv3d) and one.kernel_size == (3, 3, 3)
    ]
    assert len(convolutions) == 8  # with the stem and the classification: ten
    assert system.classification_head.hidden.in_features == 4 * 512
    assert midbrain.classification_head.hidden.in_features == 512
