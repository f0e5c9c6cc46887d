"""nnU-Net's own plan, and a small one for machines without a GPU.

The small plan is nnU-Net's plan with another patch size, a narrow U-Net and the length of the
training; spacing, normalisation and resampling stay as nnU-Net decided. nnU-Net documents editing
plans files in ``explanation_plans_files.md``.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

TINY_TRAINER = "nnUNetTrainerMRNTiny"
FULL_TRAINER = "nnUNetTrainer_250epochs_NoMirroring"
FULL_PLANS = "nnUNetPlans"
TINY_PLANS = "MRNTinyPlans"
CONFIGURATION = "3d_fullres"


@dataclass(frozen=True)
class Schedule:
    """How long the tiny trainer trains.

    Attributes:
        epochs: Epochs.
        iterations: Steps in an epoch.
        validation_iterations: Validation batches after each epoch.
        foreground: Share of patches centred on a nucleus; the others lie anywhere in the head.
        learning_rate: Of AdamW at the start; it falls to zero by nnU-Net's polynomial rule.
        seed: Of weights, patches and augmentation.
    """

    epochs: int
    iterations: int = 100
    validation_iterations: int = 4
    foreground: float = 0.75
    learning_rate: float = 2e-3
    seed: int = 1


@dataclass(frozen=True)
class TinyPlan:
    """A narrow U-Net for one modality.

    Attributes:
        patch_size: Voxels, ``[slices, rows, columns]``; divisible by 4, 16, 16.
        features: Channels of the stages.
        blocks: Convolutions in each stage of the encoder; the decoder has one in each.
        schedule: Length of the training.
        batch_size: Patches in a step.
    """

    patch_size: tuple[int, int, int]
    features: tuple[int, ...]
    blocks: tuple[int, ...]
    schedule: Schedule
    batch_size: int = 2


# Sizes for one core of a small machine (AVX2, no GPU): about half a second a step.
TINY = {
    "QSM": TinyPlan((16, 64, 64), (12, 24, 32, 40, 48), (1, 2, 2, 2, 2), Schedule(50)),
    "NM": TinyPlan((16, 64, 64), (8, 16, 32, 48), (1, 1, 2, 2), Schedule(40)),
}


def tiny_plans(plans: dict[str, Any], tiny: TinyPlan) -> dict[str, Any]:
    """``plans`` with its 3-D configuration cut down to ``tiny``.

    Slices are three times as thick as pixels are wide, so the first stage convolves and the first
    reduction halves in plane only.
    """
    small, stages = copy.deepcopy(plans), len(tiny.features)
    small["plans_name"] = TINY_PLANS
    configuration = small["configurations"][CONFIGURATION]
    configuration.update(
        data_identifier=f"{TINY_PLANS}_{CONFIGURATION}",
        patch_size=list(tiny.patch_size),
        batch_size=tiny.batch_size,
        batch_dice=True,
        mrn_training=asdict(tiny.schedule),
    )
    configuration.pop("next_stage", None)
    configuration["architecture"]["arch_kwargs"].update(
        n_stages=stages,
        features_per_stage=list(tiny.features),
        kernel_sizes=[[1, 3, 3], *[[3, 3, 3]] * (stages - 1)],
        strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2]][:stages],
        n_conv_per_stage=list(tiny.blocks),
        n_conv_per_stage_decoder=[1] * (stages - 1),
    )
    small["configurations"] = {CONFIGURATION: configuration}
    return small
