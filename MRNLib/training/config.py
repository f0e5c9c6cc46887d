"""What one training is: strict settings from YAML, with overrides from the command line.

The defaults are the paper's; ``Training/configs/paper.yaml`` spells all of them out, each with the
paper's section or the word that the paper leaves it open.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from MRNLib.models.config import MrnConfig
from MRNLib.models.m3d_clip import M3dClipConfig
from MRNLib.models.midbrain_cnn import MidbrainCnnConfig
from MRNLib.models.seres10 import SeRes10Config
from MRNLib.training.settingsfile import Strict, checked, read_settings

# How a training is computed, not what: a checkpoint goes on with other values of these. (With
# dropout or drop path another micro_batch draws which units fall out anew: the same expectation.)
WAYS = ("micro_batch", "compile", "checkpoint_minutes", "tensorboard")


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
    """Strengths of the augmentations; the paper only names them.

    Attributes:
        probability: Chance of each but the mirror, for a patient.
        mirror: Exchange left and right for half of the patients.
        rotation_degrees: Largest turn in the axial plane.
        intensity_shift: Largest offset, in shares of the window.
        contrast_shift: Largest change of the contrast, as a share of it.
        noise: Largest standard deviation, in shares of the window.
        histogram_shift: Largest move of a point of the grey scale's curve, as a share of the
            distance between two of them; .5 would let them meet.
    """

    probability: float = Field(default=0.5, ge=0, le=1)
    mirror: bool = True
    rotation_degrees: float = Field(default=10.0, ge=0)
    intensity_shift: float = Field(default=0.05, ge=0)
    contrast_shift: float = Field(default=0.15, ge=0, lt=1)
    noise: float = Field(default=0.03, ge=0)
    histogram_shift: float = Field(default=0.4, ge=0, lt=0.5)


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
    """Schedule, optimizer and how it is computed (paper section 4.1.2).

    Attributes:
        seed: Of everything random.
        phase1_epochs: Epochs of segmentation and contrast.
        phase2_epochs: Epochs of all losses.
        batch_size: Patients of one optimizer step, over all processes.
        lr_backbone: Full learning rate of DINOv2, FFA and SFA.
        lr_heads: Full learning rate of DPT and the heads.
        weight_decay_backbone: AdamW's, of the former.
        weight_decay_heads: AdamW's, of the latter.
        betas: AdamW's.
        warm_up_epochs: Linear rise of the learning rate.
        schedule: Whether the rate falls once in each phase or once over all epochs.
        clip: Largest norm of the gradient.
        precision: ``bf16`` is autocast with losses in fp32; ``auto`` is that on a GPU that has it,
            and fp32 elsewhere.
        micro_batch: Patients that a process takes through the student at once; their gradients add
            up to the batch's. Less memory; the same result where there is no dropout, drop path or
            batch normalisation. Dropout and drop path draw for all patients at once, so that other
            parts, and other numbers of processes, draw other units: the same expectation, not the
            same weights. Batch normalisation takes its statistics from each part. None: its whole
            share.
        compile: Compile the transformer blocks (torch.compile).
        from_scratch: Start a small MRN without pre-trained weights
            (:mod:`MRNLib.training.initialisation`).
        validate_every: Epochs of phase 2 between looks at the held-out patients.
        checkpoint_minutes: Minutes between checkpoints.
        tensorboard: Write the metrics for TensorBoard too, where it is installed.
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
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    micro_batch: int | None = Field(default=None, ge=1)
    compile: bool = False
    from_scratch: bool = False
    validate_every: int = Field(default=10, ge=1)
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    tensorboard: bool = True

    @model_validator(mode="after")
    def _some_epochs(self) -> TrainSettings:
        if self.phase1_epochs + self.phase2_epochs == 0:
            raise ValueError("phase1_epochs and phase2_epochs are both 0")
        return self


def _kind(model: Any) -> str:
    return model.get("kind", "mrn") if isinstance(model, dict) else model.kind


# models.build.SystemConfig, told apart by ``kind``; without one it is an MRN.
ModelSettings = Annotated[
    Annotated[MrnConfig, Tag("mrn")]
    | Annotated[SeRes10Config, Tag("seres10")]
    | Annotated[M3dClipConfig, Tag("m3d_clip")]
    | Annotated[MidbrainCnnConfig, Tag("midbrain_cnn")],
    Discriminator(_kind),
]


class TrainingConfig(Strict):
    """Everything one training needs besides the crops."""

    trained_on: Literal["phantom", "human"] = "human"
    model: ModelSettings = MrnConfig()
    data: DataSettings = DataSettings()
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = LossSettings()
    teacher: TeacherSettings = TeacherSettings()
    train: TrainSettings = TrainSettings()

    def as_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return json.loads(self.model_dump_json())

    def identity(self) -> dict[str, Any]:
        """The settings that make this training this one: all but :data:`WAYS`."""
        settings = self.as_json()
        settings["train"] = {k: v for k, v in settings["train"].items() if k not in WAYS}
        return settings


def load_config(path: Path | None, overrides: Iterable[str] = ()) -> TrainingConfig:
    """Reads settings.

    Args:
        path: YAML file, or None for the defaults (the paper).
        overrides: ``group.key=value`` texts, as in ``train.lr_backbone=2e-5``.

    Raises:
        InputError: A missing file, bad YAML, an unknown key (with the nearest known one), or a bad
            value.
    """
    return parse_config(read_settings(path, overrides), path)


def parse_config(data: dict[str, Any], path: Path | None = None) -> TrainingConfig:
    """Checks plain values and makes the settings of them; errors as :func:`load_config`."""
    # pydantic puts the kind of system into the path, which the file does not have.
    systems = (MrnConfig, SeRes10Config, M3dClipConfig, MidbrainCnnConfig)
    return checked(data, TrainingConfig, path, unnamed=[system.kind for system in systems])
