"""The paper's six augmentations at the configured strengths."""

from __future__ import annotations

from MRNLib.training.augment import (
    Augmentation,
    ContrastShift,
    GaussianNoise,
    HistogramShift,
    IntensityShift,
    Mirror,
    Rotation,
)
from MRNLib.training.config import AugmentSettings, DataSettings
from MRNLib.training.dataset import BoxVariation


def make_augmentation(settings: AugmentSettings) -> Augmentation:
    """The paper's six augmentations at the configured strengths."""
    chance = settings.probability
    mirror = (Mirror(0.5),) if settings.mirror else ()
    return Augmentation(
        (*mirror, Rotation(settings.rotation_degrees, chance)),
        (
            IntensityShift(settings.intensity_shift, chance),
            ContrastShift(settings.contrast_shift, chance),
            HistogramShift(settings.histogram_shift, probability=chance),
            GaussianNoise(settings.noise, chance),
        ),
    )


def make_variation(settings: DataSettings) -> BoxVariation:
    """How boxes vary in training."""
    return BoxVariation(settings.jitter_voxels, settings.jitter_slices, settings.predicted_share)
