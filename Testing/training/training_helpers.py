"""An easy synthetic cohort and the settings of the smallest MRN there is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from MRNLib.anatomy import ROIS
from MRNLib.rois import Box
from MRNLib.training.crops import PatientCrops, RoiCrop

SHAPES = {"NM": (5, 24, 32), "QSM1": (5, 30, 32), "QSM2": (4, 22, 30), "QSM3": (4, 24, 34)}


def make_patient(number: int, diagnosis: int, effect: float = 1.0) -> PatientCrops:
    """Nuclei are brighter in class 1; the rest is noise."""
    random = np.random.default_rng(number)
    rois = {}
    for definition in ROIS:
        slices, height, width = SHAPES[definition.name]
        labels = np.zeros((slices, height, width), np.uint8)
        for nucleus in range(1, definition.classes):
            start = 3 + 4 * nucleus
            labels[1:-1, start : start + 4, 8:14] = nucleus
            labels[1:-1, start : start + 4, -14:-8] = nucleus
        noise = random.normal(0, 0.1, labels.shape)
        values = noise + (labels > 0) * (0.3 + effect * diagnosis)
        image = 1.0 + 0.2 * values if definition.modality == "NM" else 150.0 * values
        box = Box((3, 2, 1), (width - 3, height - 2, slices - 1))
        rois[definition.name] = RoiCrop(image.astype(np.float16), labels, box)
    return PatientCrops(f"case_{number:03d}", diagnosis, rois, number, phantom=True)


def cut_again(patient: PatientCrops) -> PatientCrops:
    """The same patient by name, with one box a row smaller."""
    roi = patient.rois["QSM1"]
    (column, row, first), upper = roi.box.lower, roi.box.upper
    smaller = dataclasses.replace(roi, box=Box((column, row + 1, first), upper))
    return dataclasses.replace(patient, rois={**patient.rois, "QSM1": smaller})


def tiny_settings() -> dict[str, Any]:
    """Settings of an MRN with a few thousand weights."""
    return {
        "trained_on": "phantom",
        "model": {
            "backbone": {
                "weights": "none",
                "drop_path": 0.1,
                "image_size": 28,
                "patch_size": 14,
                "embed_dim": 16,
                "depth": 2,
                "num_heads": 2,
                "layer_scale_init": 0.3,
            },
            "preprocess": {"roi_size": 28, "patch_size": 14},
            "ffa_blocks": 3,
            "sfa_blocks": 1,
            "fusion_layer_scale": 0.3,
            "dpt_channels": [4, 4, 8, 8],
            "dpt_features": 4,
            "head_hidden": 16,
            "head_dropout": 0.1,
            "projection_hidden": 16,
            "projection_dim": 8,
        },
        "data": {"jitter_voxels": 1, "jitter_slices": 1},
        "loss": {"bank_capacity": 5, "ramp_epochs": 1},
        "teacher": {"momentum": 0.9},
        "train": {
            "phase1_epochs": 1,
            "phase2_epochs": 2,
            "batch_size": 2,
            "lr_backbone": 1e-3,
            "lr_heads": 2e-3,
            "validate_every": 1,
        },
    }
