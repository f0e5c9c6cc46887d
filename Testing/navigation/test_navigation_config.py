"""Settings of a pre-training: the files that come with it, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from pretraining_helpers import tiny_config, tiny_settings

from MRNLib.errors import InputError
from MRNLib.models.backbone import create_vit
from MRNLib.models.config import IntensityConfig
from MRNLib.navigation.config import ARMS, NavigationConfig, load_config
from MRNLib.training.config import load_config as load_training
from MRNLib.training.settingsfile import checked

CONFIGS = Path(__file__).parents[2] / "Training" / "configs"
NAMES = ("paper", "tiny")


@pytest.mark.parametrize("name", NAMES)
def test_is_valid_and_survives_json(name):
    config = load_config(CONFIGS / "navigation" / f"{name}.yaml")
    assert checked(config.as_json(), NavigationConfig) == config


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_spelled_out_and_explained(name):
    path = CONFIGS / "navigation" / f"{name}.yaml"

    def settings(values: object, prefix: str = "") -> set[str]:
        if not isinstance(values, dict):
            return {prefix}
        return {one for key in values for one in settings(values[key], f"{prefix}.{key}")}

    text = path.read_text(encoding="utf-8")
    spelled = settings(yaml.safe_load(text))
    assert spelled == settings(load_config(path).as_json())
    uncommented = [
        line for line in text.splitlines() if re.match(r"\s*\w+: *[^#\s]", line) and "#" not in line
    ]
    assert uncommented == []


def test_without_a_file_it_is_the_paper_sized_one():
    paper = load_config(CONFIGS / "navigation" / "paper.yaml")
    assert load_config(None) == paper
    with torch.device("meta"):
        vit = create_vit(paper.encoder)
    assert (vit.embed_dim, len(vit.blocks), paper.patches) == (768, 12, 256)


def test_the_tiny_encoder_is_that_of_the_tiny_mrn():
    """So that its weights can start it; only the image's size, which is resampled, may differ."""
    tiny = load_config(CONFIGS / "navigation" / "tiny.yaml")
    mrn = load_training(CONFIGS / "phantom-tiny.yaml").model
    for name in ("name", "patch_size", "embed_dim", "depth", "num_heads", "layer_scale_init"):
        assert getattr(tiny.encoder, name) == getattr(mrn.backbone, name), name
    assert (tiny.images.mean, tiny.images.std) == (mrn.preprocess.mean, mrn.preprocess.std)
    assert tiny.clips.nm_window == mrn.preprocess.nm_window
    assert mrn.preprocess.qsm_window == IntensityConfig.qsm_window  # in which volumes are kept


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.learning_rat=1", "did you mean train.learning_rate"),
        ("tokeniser.mask_share=.5", "did you mean tokenizer"),
        ("clips.lenght=4", "did you mean clips.length"),
        ("clips.motion.scrol_mm=4", "did you mean clips.motion.scroll_mm"),
        ("encoder.layerscale_init=4", "did you mean encoder.layer_scale_init"),
        ("arm=alined", "arm: Input should be 'aligned', 'shuffled'"),
        ("tokenizer.mask_share=1.0", r"setting tokenizer.mask_share: .* less than 1"),
        ("tokenizer.mask_share=0.01", "hides 0 of 16 patches"),
        ("clips.size=56", r"yaml: encoder.image_size 28 and clips.size 56 must be the same$"),
        ("clips.length=2", "clips.length 2 must be above dynamics.rollout_steps 2"),
        ("dynamics.heads=3", "width 16 is not a multiple of twice heads 3"),
        ("tokenizer.decoder_heads=3", "decoder_width 16 is not a multiple"),
        ("clips.nm_window=[1.26,0.86]", "nm_window must rise"),
        ("images.std=[0,1,1]", "std must be above 0"),
        ("train.batch_size=1.5", "batch_size"),
        ("train.precision=fp8", "precision"),
    ],
)
def test_what_is_refused(override, said, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(tiny_settings()), encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        load_config(path, [override])
    assert len(str(caught.value).splitlines()) <= 3


def test_losses_without_weights_are_refused():
    with pytest.raises(InputError, match="nothing is learned"):
        tiny_config(dynamics={"teacher_forcing": 0.0, "rollout": 0.0})


def test_actions_are_exchanged_among_two_or_more():
    with pytest.raises(InputError, match="2 or more"):
        tiny_config(arm="shuffled", train={"batch_size": 1})
    assert tiny_config(arm="zeroed", train={"batch_size": 1}).learns_dynamics


def test_arms_with_dynamics_share_what_makes_a_tokenizer():
    made = {arm: tiny_config(arm=arm) for arm in ARMS}
    identities = {arm: one.tokenizer_identity() for arm, one in made.items()}
    assert identities["aligned"] == identities["shuffled"] == identities["zeroed"]
    assert identities["tokenizer"] != identities["static"]
    assert identities["tokenizer"]["steps"] == identities["aligned"]["steps"] + 3
    other = tiny_config(train={"dynamics_steps": 9, "checkpoint_minutes": 1.0})
    assert other.tokenizer_identity() == identities["aligned"]


def test_how_it_is_computed_makes_no_other_training():
    one = tiny_config(train={"checkpoint_minutes": 1.0, "compile": True}, held_out={"clips": 7})
    assert one.identity() == tiny_config().identity()
    assert tiny_config(train={"clip": 2.0}).identity() != one.identity()
