"""What one training is: strict settings from YAML, with overrides from the command line.

The defaults are the paper's; ``Training/configs/paper.yaml`` spells them out.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from MRNLib.errors import InputError
from MRNLib.models.config import MrnConfig


class Strict(BaseModel):
    """Base of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(Strict):
    """How boxes vary in training.

    Attributes:
        jitter_voxels: Each in-plane face of a box moves by up to this many voxels.
        jitter_slices: Each end of its slices moves by up to this many.
        predicted_share: Chance of a patient's predicted boxes, where the crops have them.
    """

    jitter_voxels: int = Field(default=3, ge=0, le=4)
    jitter_slices: int = Field(default=1, ge=0, le=1)
    predicted_share: float = Field(default=0.5, ge=0, le=1)


class AugmentSettings(Strict):
    """Strengths of the augmentations, in shares of the window; the paper only names them."""

    probability: float = Field(default=0.5, ge=0, le=1)
    mirror: bool = True
    rotation_degrees: float = Field(default=10.0, ge=0)
    intensity_shift: float = Field(default=0.05, ge=0)
    contrast_shift: float = Field(default=0.15, ge=0, lt=1)
    noise: float = Field(default=0.03, ge=0)
    histogram_shift: float = Field(default=0.4, ge=0, lt=1)


class LossSettings(Strict):
    """Weights and options of the losses (Eq. 8-12)."""

    segmentation: float = Field(default=1.0, ge=0)
    contrastive: float = Field(default=0.1, ge=0)
    ramp_epochs: float = Field(default=10.0, ge=0)
    temperature: float = Field(default=0.1, gt=0)
    contrastive_form: Literal["eq8", "supcon"] = "eq8"
    exclude_own_patient: bool = False
    bank_capacity: int = Field(default=1024, ge=1)


class TeacherSettings(Strict):
    """The momentum teacher (Eq. 9).

    Attributes:
        momentum: Share kept at each update.
        warm_up: C3R's rising momentum.
        own_view: Give the teacher its own augmentation of each patient instead of the student's.
    """

    momentum: float = Field(default=0.999, ge=0, le=1)
    warm_up: bool = False
    own_view: bool = True


class TrainSettings(Strict):
    """Schedule and optimizer (paper section 4.1.2).

    ``schedule`` says whether the learning rate falls once over all epochs or once in each phase;
    ``from_scratch`` starts a small model without pre-trained weights
    (:mod:`MRNLib.training.initialisation`).
    """

    seed: int = 1
    phase1_epochs: int = Field(default=400, ge=0)
    phase2_epochs: int = Field(default=200, ge=0)
    batch_size: int = Field(default=4, ge=2)
    lr_backbone: float = Field(default=1e-5, gt=0)
    lr_heads: float = Field(default=1e-4, gt=0)
    weight_decay_backbone: float = Field(default=0.1, ge=0)
    weight_decay_heads: float = Field(default=0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    warm_up_epochs: float = Field(default=1.0, ge=0)
    schedule: Literal["per-phase", "whole"] = "per-phase"
    clip: float = Field(default=1.0, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    from_scratch: bool = False
    validate_every: int = Field(default=10, ge=1)
    checkpoint_minutes: float = Field(default=5.0, gt=0)


class TrainingConfig(Strict):
    """Everything one training needs besides the crops."""

    trained_on: Literal["phantom", "human"] = "human"
    model: MrnConfig = MrnConfig()
    data: DataSettings = DataSettings()
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = LossSettings()
    teacher: TeacherSettings = TeacherSettings()
    train: TrainSettings = TrainSettings()

    def as_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return json.loads(self.model_dump_json())


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-5`` as text; this loader reads it as the number it is."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf)$"),
    list("-+0123456789."),
)


def load_config(path: Path | None, overrides: Iterable[str] = ()) -> TrainingConfig:
    """Reads settings.

    Args:
        path: YAML file, or None for the defaults (the paper).
        overrides: ``group.key=value`` texts, as in ``train.lr_backbone=2e-5``.

    Raises:
        InputError: A missing file, bad YAML, an unknown key (with the nearest known one), or a bad
            value.
    """
    data: Any = {}
    if path is not None:
        try:
            data = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
        except OSError as error:
            raise InputError("cannot be read", file=path, expected="a YAML file") from error
        except yaml.YAMLError as error:
            raise InputError(f"is not YAML: {error}", file=path) from error
        if not isinstance(data, dict):
            raise InputError("holds no settings", file=path, expected="groups of key: value lines")
    for override in overrides:
        _apply(data, override)
    return parse_config(data, path)


def parse_config(data: dict[str, Any], path: Path | None = None) -> TrainingConfig:
    """Checks plain values and makes the settings of them; errors as :func:`load_config`."""
    _refuse_unknown(data, TrainingConfig, "", path)
    try:
        return TrainingConfig.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"setting {name}: {first['msg']} (found {first['input']!r})", file=path
        ) from error


def _apply(data: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise InputError(
            f"'{override}' sets nothing", expected="group.key=value, as in train.lr_backbone=2e-5"
        )
    place = data
    for key in keys[:-1]:
        below = place.setdefault(key, {})
        if not isinstance(below, dict):
            raise InputError(f"'{name}': {key} is a value, not a group")
        place = below
    try:
        place[keys[-1]] = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"'{override}': the value is not YAML") from error


def _fields_of(kind: Any) -> dict[str, Any] | None:
    """Names and types of a settings class; None for a plain value."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        found = [_fields_of(option) for option in typing.get_args(kind)]
        return next((one for one in found if one is not None), None)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: one.annotation for name, one in kind.model_fields.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return {one.name: hints[one.name] for one in dataclasses.fields(kind)}
    return None


def _refuse_unknown(data: dict[str, Any], kind: Any, prefix: str, path: Path | None) -> None:
    fields = _fields_of(kind) or {}
    for key, value in data.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.4)
            remedy = f"did you mean {prefix}{near[0]}?" if near else None
            raise InputError(
                f"unknown setting {prefix}{key}",
                file=path,
                expected="one of " + ", ".join(sorted(fields)),
                remedy=remedy,
            )
        if isinstance(value, dict) and _fields_of(fields[key]) is not None:
            _refuse_unknown(value, fields[key], f"{prefix}{key}.", path)
