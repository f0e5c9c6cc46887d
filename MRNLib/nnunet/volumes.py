"""From a volume to what the network sees, and from its logits to a label map, in bounded memory.

nnU-Net resamples the whole volume in float64 and the logits of all classes at once. That is right
for the challenge's grid; a 0.3 mm volume has thirty times its voxels. Here only the part that
matters is resampled, class by class, with the same interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import determine_do_sep_z_and_axis
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from MRNLib.boxes import bounding_box

# Normalisations that depend on which part of the head is in the array.
OWN_STATISTICS = ("ZScoreNormalization", "RescaleTo01Normalization")


class Preprocessor(DefaultPreprocessor):
    """nnU-Net's preprocessing, whose intensity scale can be carried over to a part of the volume.

    Attributes:
        scales: For each channel what its normalisation amounted to, ``value * factor + offset``;
            given, it takes the place of the part's own statistics.
    """

    def __init__(self, scales: list[tuple[float, float]] | None = None) -> None:
        super().__init__(verbose=False)
        self.scales = scales

    def run_on_array(
        self,
        array: np.ndarray,
        spacing: Sequence[float],
        plans: PlansManager,
        configuration: ConfigurationManager,
        dataset: dict[str, Any],
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Crops to what is not zero, normalises and resamples.

        Args:
            array: ``[channels, slices, rows, columns]`` float32.
            spacing: mm, ``(k, j, i)``: array order, as nnU-Net counts.
            plans: The plan.
            configuration: Its configuration.
            dataset: ``dataset.json``.

        Returns:
            The network's input and nnU-Net's properties, to go back with.
        """
        properties: dict[str, Any] = {"spacing": [float(value) for value in spacing]}
        data, _, properties = self.run_case_npy(
            array, None, properties, plans, configuration, dataset
        )
        return torch.from_numpy(np.ascontiguousarray(data)), properties

    def _normalize(
        self,
        data: np.ndarray,
        seg: np.ndarray,
        configuration_manager: ConfigurationManager,
        foreground_intensity_properties_per_channel: dict[str, Any],
    ) -> np.ndarray:
        inside = seg[0] >= 0
        before = data.copy()
        after = super()._normalize(
            data, seg, configuration_manager, foreground_intensity_properties_per_channel
        )
        schemes = configuration_manager.normalization_schemes
        if self.scales is None:
            self.scales = [_scale(before[c], after[c], inside) for c in range(len(before))]
            return after
        for channel, (factor, offset) in enumerate(self.scales):
            if schemes[channel] in OWN_STATISTICS:
                masked = configuration_manager.use_mask_for_norm[channel]
                where = inside if masked else np.ones_like(inside)
                after[channel][where] = before[channel][where] * factor + offset
        return after


def _scale(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Factor and offset between a channel's extreme voxels before and after normalisation."""
    old, new = before[inside], after[inside]
    low, high = int(old.argmin()), int(old.argmax())
    width = float(old[high]) - float(old[low])
    factor = (float(new[high]) - float(new[low])) / width if width else 1.0
    return factor, float(new[low]) - factor * float(old[low])


def to_labels(
    logits: torch.Tensor,
    properties: dict[str, Any],
    plans: PlansManager,
    configuration: ConfigurationManager,
) -> np.ndarray:
    """The label map of logits on the grid the volume came on, ``[slices, rows, columns]`` uint8.

    Like nnU-Net's ``convert_predicted_logits_to_segmentation_with_correct_shape``, but resampled
    only around what is not background, one class at a time.
    """
    result = np.zeros(properties["shape_before_cropping"], np.uint8)
    cropped = tuple(slice(low, high) for low, high in properties["bbox_used_for_cropping"])
    shape = tuple(properties["shape_after_cropping_and_before_resampling"])
    box = bounding_box(logits.argmax(0).numpy() > 0)
    if box is not None:
        foreground: tuple[slice, ...] = box.slices
        if tuple(logits.shape[1:]) == shape:
            labels = logits[(slice(None), *foreground)].argmax(0).numpy().astype(np.uint8)
            target = foreground
        else:
            spacing = [properties["spacing"][axis] for axis in plans.transpose_forward]
            target, labels = _resampled(logits, foreground, shape, configuration, spacing)
        view = result[cropped]
        view[target] = labels
    return result.transpose(plans.transpose_backward)


def _resampled(
    logits: torch.Tensor,
    foreground: tuple[slice, ...],
    shape: tuple[int, ...],
    configuration: ConfigurationManager,
    spacing: Sequence[float],
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Labels around ``foreground`` on a grid of ``shape``: where they lie, and which they are."""
    separate, axis = determine_do_sep_z_and_axis(None, configuration.spacing, spacing)
    target, steps = [], []
    for number, part in enumerate(foreground):
        old, new = logits.shape[1 + number], shape[number]
        low = max(int(np.floor((part.start - 1) * new / old)), 0)
        high = min(int(np.ceil((part.stop + 1) * new / old)), new)
        target.append(slice(low, high))
        where = (np.arange(low, high) + 0.5) * old / new - 0.5
        nearest = separate and number == axis
        steps.append(np.floor(where + 0.5) if nearest else where)
    best = labels = np.zeros(0)
    for number in range(logits.shape[0]):
        value = _interpolate(logits[number].numpy(), steps)
        if number == 0:
            best, labels = value, np.zeros(value.shape, np.uint8)
            continue
        larger = value > best
        labels[larger] = number
        np.maximum(best, value, out=best)
    return tuple(target), labels


def _interpolate(array: np.ndarray, steps: Sequence[np.ndarray]) -> np.ndarray:
    """Linear interpolation on the grid of ``steps`` along each axis, edges held."""
    reach = []
    for size, where in zip(array.shape, steps, strict=True):
        low = int(np.clip(np.floor(where.min()), 0, size - 1))
        high = int(np.clip(np.ceil(where.max()), 0, size - 1)) + 1
        reach.append(slice(low, high))
    value = array[tuple(reach)].astype(np.float32)
    for axis, (part, where) in enumerate(zip(reach, steps, strict=True)):
        place = np.clip(where - part.start, 0, value.shape[axis] - 1)
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, value.shape[axis] - 1)
        shape = [1] * value.ndim
        shape[axis] = -1
        weight = (place - below).astype(np.float32).reshape(shape)
        value = value.take(below, axis) * (1 - weight) + value.take(above, axis) * weight
    return value
