"""Settings of an MRN: through JSON and back, and refused where they cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
from pydantic import TypeAdapter, ValidationError

from MRNLib.models.config import PAPER, SMALL, BackboneConfig, MrnConfig, PreprocessConfig


@pytest.mark.parametrize("config", [PAPER, SMALL, PAPER.for_inference()])
def test_config_turns_into_json_and_back(config: MrnConfig) -> None:
    text = json.dumps(asdict(config))
    assert TypeAdapter(MrnConfig).validate_json(text) == config


@pytest.mark.parametrize("part", ["backbone", "preprocess", None])
def test_unknown_setting_is_refused(part: str | None) -> None:
    settings = asdict(PAPER)
    (settings[part] if part else settings)["ffa_block"] = 3
    with pytest.raises(ValidationError, match="ffa_block"):
        TypeAdapter(MrnConfig).validate_python(settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(PAPER, ffa_blocks=-1), "0 or more"),
        (lambda: replace(PAPER, preprocess=PreprocessConfig(patch_size=16)), "must be the same"),
        (lambda: BackboneConfig(image_size=225), "not a multiple"),
        (lambda: BackboneConfig(embed_dim=24, num_heads=4), "four times num_heads"),
        (
            lambda: MrnConfig(backbone=BackboneConfig(depth=2), ffa_blocks=1),
            "needs 3 DINOv2 blocks or more, got 2",
        ),
        (lambda: PreprocessConfig(qsm_window=(3.0, 3.0)), "must rise"),
        (lambda: PreprocessConfig(roi_size=8), "one patch"),
        (lambda: PreprocessConfig(std=(1.0, 0.0, 1.0)), "above 0"),
    ],
)
def test_impossible_configs_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
