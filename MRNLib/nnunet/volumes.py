"""From a volume to what the network sees, and from its logits to a label map, in bounded memory.

nnU-Net resamples the whole volume in float64 and the logits of all classes at once. That is right
for the challenge's grid; a 0.3 mm volume has thirty times its voxels. Here the volume is resampled
in blocks, and its logits only where the nuclei are, class by class, with the same interpolation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import determine_do_sep_z_and_axis
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from MRNLib.boxes import bounding_box

# Slices or rows that are resampled together.
BLOCK = 16


class BlockwiseConfiguration(ConfigurationManager):
    """A plan's configuration whose resampling takes a volume in blocks, in little memory.

    A cubic spline is a product of one along each axis, so the slices can be resampled first, a few
    at a time, and the slice axis afterwards, with the plan's own function. The numbers are the same
    but for a few extreme voxels, whose overshoot is clipped to the range of the block.
    """

    @property
    def resampling_fn_data(self) -> Callable[..., np.ndarray]:
        """The plan's resampling, block by block."""
        return functools.partial(resampled_in_blocks, super().resampling_fn_data)

    @property
    def resampling_fn_seg(self) -> Callable[..., np.ndarray]:
        """nnU-Net resamples which voxels are not zero, and then looks at it no more."""
        return lambda seg, shape, *spacings: np.zeros((len(seg), *shape), np.int8)


def resampled_in_blocks(
    resample: Callable[..., np.ndarray],
    data: np.ndarray,
    shape: Sequence[int],
    spacing: Sequence[float],
    target: Sequence[float],
) -> np.ndarray:
    """``resample(data, shape, spacing, target)`` in little memory.

    Args:
        resample: One of nnU-Net's resampling functions, with its settings bound.
        data: ``[channels, slices, rows, columns]``.
        shape: Slices, rows and columns wanted.
        spacing: Of ``data``, mm.
        target: Wanted, mm.
    """
    slices, rows, columns = (int(size) for size in shape)
    if data.shape[1:] == (slices, rows, columns):
        return data
    flat = np.empty((data.shape[0], data.shape[1], rows, columns), np.float32)
    for start in range(0, data.shape[1], BLOCK):
        part = data[:, start : start + BLOCK]
        wanted = (part.shape[1], rows, columns)
        flat[:, start : start + BLOCK] = resample(part, wanted, spacing, target)
    if data.shape[1] == slices:
        return flat
    result = np.empty((data.shape[0], slices, rows, columns), np.float32)
    for start in range(0, rows, BLOCK):
        part = flat[:, :, start : start + BLOCK]
        wanted = (slices, part.shape[2], columns)
        result[:, :, start : start + BLOCK] = resample(part, wanted, spacing, target)
    return result


def preprocess(
    array: np.ndarray,
    spacing: Sequence[float],
    plans: PlansManager,
    configuration: ConfigurationManager,
    dataset: dict[str, Any],
) -> tuple[torch.Tensor, dict[str, Any]]:
    """nnU-Net's preprocessing: crops to what is not zero, normalises and resamples.

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
    data, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        array, None, properties, plans, configuration, dataset
    )
    return torch.from_numpy(np.ascontiguousarray(data)), properties


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
