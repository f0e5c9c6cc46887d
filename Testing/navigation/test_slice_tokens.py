"""Tokens that are kept, MRN on them, and equal conditions for all encoders."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from training_helpers import make_patient, tiny_settings

from MRNLib.anatomy import ROI_NAMES
from MRNLib.errors import InputError
from MRNLib.metrics import area_under_curve
from MRNLib.models.mrn import Mrn
from MRNLib.navigation.measuring.linearreadout import linear_margins, pooled_tokens
from MRNLib.navigation.measuring.pretrainedarms import PretrainedArm, read_arm
from MRNLib.navigation.measuring.probefeatures import random_tokenizer
from MRNLib.navigation.measuring.slicetokens import (
    EncodedPatient,
    EncodedRoi,
    encoded,
    forward_encoded,
    plain_view,
    varied_views,
)
from MRNLib.navigation.measuring.tokentraining import (
    LabelSettings,
    labelled_subset,
    margins_from_tokens,
    started,
    train_on_tokens,
)
from MRNLib.training.config import parse_config
from MRNLib.training.dataset import CropDataset
from MRNLib.training.evaluation import margins

CONFIG = parse_config(tiny_settings())
PATIENTS = [make_patient(number, number % 2) for number in range(6)]


def dataset(model: Mrn, **options) -> CropDataset:
    return CropDataset(PATIENTS, model.config.preprocess, model.regions, **options)


@pytest.fixture(scope="module")
def arm(arms_folder) -> PretrainedArm:
    return read_arm(arms_folder / "aligned_1")


@pytest.fixture(scope="module")
def model(arm) -> Mrn:
    return started(CONFIG, 1, arm, learned=False)


def test_mrn_says_the_same_of_kept_tokens(model):
    inputs = model.prepare(dataset(model).plain(range(6)))
    model.eval()
    with torch.no_grad():
        wanted = model([one.stacks for one in inputs])
        found = forward_encoded(model, encoded(model, inputs), segment=True)
    assert torch.allclose(found.tokens, wanted.tokens, atol=1e-5)
    assert torch.allclose(found.logits, wanted.logits, atol=1e-5)
    for one, other in zip(found.segmentations, wanted.segmentations, strict=True):
        assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in other)
    labels = encoded(model, inputs)[2]["QSM1"].labels
    assert torch.equal(labels.long(), inputs[2].labels["QSM1"])


def test_margins_are_those_of_the_repository(model):
    held = dataset(model)
    found = margins_from_tokens(model, plain_view(model, held))
    assert np.allclose(found, margins(model, held, range(6)), atol=1e-5)


def test_views_are_the_configurations_own_draws(model):
    varied = dataset(model, augment=CONFIG.augment, data=CONFIG.data)
    first, again = (varied_views(model, varied, 2, seed=3) for _ in range(2))
    assert [len(views) for views in first] == [2] * 6
    one, other = first[4]
    assert torch.equal(one["NM"].slice_tokens, again[4][0]["NM"].slice_tokens)
    assert one["NM"].shape != other["NM"].shape or not torch.equal(
        one["NM"].slice_tokens, other["NM"].slice_tokens
    )


def test_smaller_sizes_are_parts_of_larger_ones():
    diagnoses = np.array([0] * 12 + [1] * 8)
    subsets = [set(labelled_subset(diagnoses, size, 1).tolist()) for size in (5, 10, 16, 20)]
    for smaller, larger in itertools.pairwise(subsets):
        assert smaller < larger
    assert sum(diagnoses[list(subsets[1])]) == 5
    assert sum(diagnoses[list(subsets[2])]) == 8  # the second class is used up
    assert subsets[0] != set(labelled_subset(diagnoses, 5, 2).tolist())
    with pytest.raises(InputError, match="21 labelled patients are wanted and there are 20"):
        labelled_subset(diagnoses, 21, 1)


def test_all_encoders_meet_the_same_rest(arms_folder):
    arms = [read_arm(arms_folder / name) for name in ("aligned_1", "aligned_1", "static_1")]
    states = [
        started(CONFIG, 1, arm, learned=learned).state_dict()
        for arm, learned in zip(arms, (False, True, True), strict=True)
    ]
    for name, one in states[0].items():
        same = torch.equal(one, states[1][name]) and torch.equal(one, states[2][name])
        if not name.startswith("res.backbone."):
            assert same, name
    key = "res.backbone.vit.blocks.0.attn.qkv.weight"
    assert len({state[key].sum().item() for state in states}) == 3
    file = arms[1].tokenizer().encoder.state_dict()
    assert torch.equal(states[1][key], file["vit.blocks.0.attn.qkv.weight"])


def test_a_random_start_is_what_the_pretraining_began_with(arm):
    """Its positions go through the same resampling as those of an encoder that learned."""
    start = random_tokenizer(arm.config).encoder.vit
    settings = tiny_settings()
    settings["model"]["backbone"]["image_size"] = 56
    own = started(parse_config(settings), 1, arm, learned=False).res.backbone.vit
    assert torch.equal(own.blocks[0].attn.qkv.weight, start.blocks[0].attn.qkv.weight)
    before, after = (one.pos_embed[0].norm(dim=-1).mean() for one in (start, own))
    assert own.pos_embed.shape != start.pos_embed.shape
    assert float(after) == pytest.approx(float(before), rel=0.1)
    learned = started(parse_config(settings), 1, arm, learned=True).res.backbone.vit
    assert not torch.equal(learned.pos_embed, own.pos_embed)


def test_a_linear_model_finds_what_tokens_hold():
    random = np.random.default_rng(0)
    diagnoses = np.arange(200) % 2

    def patients(shift: float) -> list[EncodedPatient]:
        found = []
        for label in diagnoses:
            rois = {}
            for name in ROI_NAMES:
                tokens = torch.from_numpy(random.normal(size=(3, 8))).float()
                tokens[:, 2] += shift * float(label) * (name == "NM")
                maps = torch.from_numpy(random.normal(size=(3, 8, 2, 2))).float()
                rois[name] = EncodedRoi(tokens, (maps,), (28, 28))
            found.append(rois)
        return found

    assert pooled_tokens(patients(0.0)).shape == (200, len(ROI_NAMES) * 3 * 8)
    told, blind = (
        area_under_curve(diagnoses, linear_margins(patients(by), diagnoses, patients(by), seed=1))
        for by in (4.0, 0.0)
    )
    assert told > 0.95
    assert 0.3 < blind < 0.7


def test_the_encoder_stays_and_the_rest_learns(arm):
    model = started(CONFIG, 1, arm, learned=False)
    before = {name: one.clone() for name, one in model.state_dict().items()}
    views = varied_views(model, dataset(model, augment=CONFIG.augment, data=CONFIG.data), 2, 1)
    held = plain_view(model, dataset(model))
    diagnoses = np.array([one.diagnosis for one in PATIENTS])
    settings = LabelSettings(steps=40, views=2, warm_up_steps=2)
    train_on_tokens(model, views, diagnoses, CONFIG, settings, seed=1)
    changed = {
        name for name, one in model.state_dict().items() if not torch.equal(one, before[name])
    }
    assert not any(name.startswith("res.backbone.") for name in changed)
    for part in ("res.ffa.", "res.sfa.", "dpt.", "classification_head."):
        assert any(name.startswith(part) for name in changed)
    found = margins_from_tokens(model, held)
    assert found[diagnoses == 1].min() > found[diagnoses == 0].max()
    again = started(CONFIG, 1, arm, learned=False)
    train_on_tokens(again, views, diagnoses, CONFIG, settings, seed=1)
    assert np.array_equal(margins_from_tokens(again, held), found)


@pytest.mark.parametrize("values", [{"sizes": []}, {"seeds": [1, 1]}, {"sizes": [-3]}])
def test_settings_are_checked(values):
    with pytest.raises(ValueError, match="different numbers"):
        LabelSettings(**values)


def test_another_system_is_told(arm):
    config = parse_config({"model": {"kind": "seres10"}})
    with pytest.raises(InputError, match=r"model\.kind seres10"):
        started(config, 1, arm, learned=False)
