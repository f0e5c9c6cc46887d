"""From a native crop to the network's image: window, resize, pad, normalise.

One torch function, the same in training and inference. Section 3.3 of arXiv 2509.17566 gives the
longest side and the bilinear interpolation; windows, padding and normalisation are readings, all
set in ``PreprocessConfig``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.config import IntensityConfig, PreprocessConfig
from MRNLib.models.resampling import resample_box, resample_labels
from MRNLib.models.system import IGNORED_LABEL, RegionBatch

MASKED = 0.0  # what a masked ROI and the padding hold in the [0, 1] image


class ChannelStatistics(Protocol):
    """What the three channels of a network's image are normalised with, in [0, 1]."""

    @property
    def mean(self) -> tuple[float, float, float]:
        """Channel means."""

    @property
    def std(self) -> tuple[float, float, float]:
        """Channel standard deviations."""


def preprocess(crop: Tensor, modality: str, config: PreprocessConfig) -> Tensor:
    """The network's image of one ROI.

    Args:
        crop: ``[slices, height, width]``, native pixels; QSM in ppb, NM in any unit. Any floating
            dtype.
        modality: ``QSM`` or ``NM``.
        config: Windows and sizes.

    Returns:
        ``[slices, 3, h, w]`` float32, normalised; h and w are multiples of the patch size.

    Raises:
        InputError: an NM crop without tissue to measure its reference in.
        ValueError: not three dimensions, or none of some.
    """
    if crop.ndim != 3 or not crop.numel():
        raise ValueError(f"a crop is [slices, height, width], got {tuple(crop.shape)}")
    image = resize(to_unit_range(crop.float(), modality, config), config)
    return normalise(pad(image, config, MASKED), config)


def to_unit_range(crop: Tensor, modality: str, config: IntensityConfig) -> Tensor:
    """``crop`` with its window's ends mapped to 0 and 1 and clipped there; same shape.

    Raises:
        InputError: an NM crop without a voxel above 0.
    """
    inside = torch.ones_like(crop, dtype=torch.bool)
    low, high = window_limits(crop[None], inside[None], modality, config)
    if torch.isnan(low).any():
        raise InputError(
            "The NM region holds no tissue: none of its voxels is above 0.",
            expected="neuromelanin-sensitive signal inside the NM region",
            remedy="check that the NM image covers the midbrain and that the NM mask fits it",
        )
    return ((crop - low) / (high - low)).clamp(0.0, 1.0)


def window_limits(
    crops: Tensor, inside: Tensor, modality: str, config: IntensityConfig
) -> tuple[Tensor, Tensor]:
    """What becomes 0 and what becomes 1 in each of several crops, in the crops' own unit.

    Args:
        crops: ``[B, ...]`` values; QSM in ppb, NM in any unit.
        inside: Bool of that shape: the voxels of the box, by which a reference is measured.
        modality: ``QSM`` or ``NM``.
        config: Windows.

    Returns:
        Low and high ends ``[B]``; NaN for an NM crop without tissue (voxels above 0).
    """
    if modality not in ("QSM", "NM"):
        raise ValueError(f"modality is QSM or NM, got {modality!r}")
    if config.intensity == "percentiles":
        ends = crops.new_tensor(config.percentiles) / 100.0
        values = crops.masked_fill(~inside, torch.nan).flatten(1)
        darkest, brightest = torch.nanquantile(values, ends, dim=1).unbind()
        least = 1e-6 + 1e-5 * darkest.abs()  # a constant crop has no span to divide by
        return darkest, darkest + torch.maximum(brightest - darkest, least)
    low, high = config.qsm_window if modality == "QSM" else config.nm_window
    reference = crops.new_ones(len(crops))
    if modality == "NM" and config.nm_reference == "median":
        reference = tissue_median(crops, inside)
    return low * reference, high * reference


def tissue_median(crops: Tensor, inside: Tensor) -> Tensor:
    """What NM is told relative to: the median ``[B]`` of the voxels above 0; NaN without any.

    Args:
        crops: ``[B, ...]`` values in any unit.
        inside: Bool of that shape: the voxels that count.
    """
    tissue = crops.masked_fill(~(inside & (crops > 0)), torch.nan)
    return tissue.flatten(1).nanmedian(dim=1).values


def resized_shape(height: int, width: int, config: PreprocessConfig) -> tuple[int, int]:
    """Height and width in pixels after resizing: longest side ``roi_size``, aspect kept."""
    scale = config.roi_size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def padded_shape(height: int, width: int, config: PreprocessConfig) -> tuple[int, int]:
    """Height and width in pixels of the network's image of a native ``height`` x ``width``."""
    rows, columns = (-(-side // config.patch_size) for side in resized_shape(height, width, config))
    if config.pad == "square":
        rows = columns = -(-config.roi_size // config.patch_size)
    return rows * config.patch_size, columns * config.patch_size


def resize(image: Tensor, config: PreprocessConfig) -> Tensor:
    """``[slices, h, w]`` with the longest side resized to ``roi_size``, bilinear.

    Shrinking is low-pass filtered (antialias); enlarging, which is what happens at 224, is not
    changed by that.
    """
    slices, height, width = image.shape
    box = torch.tensor([[[0, slices], [0, height], [0, width]]])
    size = resized_shape(height, width, config)
    return resample_box(image[None, None], box, torch.zeros(1, dtype=torch.bool), size)[0, 0]


def pad(image: Tensor, config: PreprocessConfig, value: float) -> Tensor:
    """``image`` ``[..., h, w]``, as resized, padded below and on the right with ``value``."""
    height, width = image.shape[-2:]
    to_height, to_width = padded_shape(height, width, config)
    return F.pad(image, (0, to_width - width, 0, to_height - height), value=value)


def normalise(image: Tensor, config: ChannelStatistics) -> Tensor:
    """``[slices, h, w]`` in [0, 1] to three normalised channels ``[slices, 3, h, w]``."""
    mean = image.new_tensor(config.mean).view(3, 1, 1)
    std = image.new_tensor(config.std).view(3, 1, 1)
    return torch.addcmul(-mean / std, image[:, None], 1 / std)


def blank(
    slices: int,
    height: int,
    width: int,
    config: PreprocessConfig,
    device: torch.device | str | None = None,
) -> Tensor:
    """The network's image of a masked ROI: zeros in the [0, 1] image, shape kept.

    Args:
        slices: Slices of the ROI that is masked.
        height: Its native height in pixels, before resizing.
        width: Its native width in pixels.
        config: As for ``preprocess``.
        device: Where the image is made.

    Returns:
        ``[slices, 3, h, w]`` float32, of the shape that ``preprocess`` gives.
    """
    shape = (slices, *padded_shape(height, width, config))
    return normalise(torch.full(shape, MASKED, device=device), config)


def blank_like(stack: Tensor, config: PreprocessConfig) -> Tensor:
    """The masked counterpart of a preprocessed ``stack`` ``[slices, 3, h, w]``, of its shape."""
    slices, _, height, width = stack.shape
    return normalise(stack.new_full((slices, height, width), MASKED), config)


def preprocess_labels(mask: Tensor, config: PreprocessConfig, padding: int = 0) -> Tensor:
    """Labels that lie on the image ``preprocess`` gives.

    Args:
        mask: ``[slices, height, width]`` integer classes, native pixels.
        config: As for the image.
        padding: Class of the padded pixels: 0, background, or the loss's ignore index.

    Returns:
        ``[slices, h, w]`` int64, resized to the nearest pixel.
    """
    slices, height, width = mask.shape
    box = torch.tensor([[[0, slices], [0, height], [0, width]]])
    size = resized_shape(height, width, config)
    resized = resample_labels(mask[None], box, torch.zeros(1, dtype=torch.bool), size)[0]
    return pad(resized, config, padding)


def prepare_stacks(region: RegionBatch, config: PreprocessConfig) -> list[Tensor]:
    """The network's images of one ROI of several patients, as :func:`preprocess` gives each.

    Args:
        region: ROIs of one channel, in window units.
        config: As for ``preprocess``.

    Returns:
        ``[slices, 3, h, w]`` for each patient, float32.
    """
    sizes = [resized_shape(rows, columns, config) for _, rows, columns in region.sizes]
    images = resample_box(region.images, region.boxes, region.mirrored, sizes)[:, 0]
    shapes = [padded_shape(rows, columns, config) for _, rows, columns in region.sizes]
    canvas = normalise(_grown(images, shapes, MASKED).flatten(0, 1), config)
    canvas = canvas.unflatten(0, images.shape[:2])
    return _cut(canvas, region, shapes)


def prepare_labels(region: RegionBatch, config: PreprocessConfig) -> list[Tensor]:
    """The labels on :func:`prepare_stacks`' images, ``[slices, h, w]`` int64 for each patient.

    Padding and the whole of an absent ROI hold ``IGNORED_LABEL``.
    """
    sizes = [resized_shape(rows, columns, config) for _, rows, columns in region.sizes]
    labels = resample_labels(
        region.labels, region.boxes, region.mirrored, sizes, beyond=IGNORED_LABEL
    )
    absent = (~region.present).to(labels.device)[:, None, None, None]
    labels = labels.masked_fill(absent, IGNORED_LABEL)
    shapes = [padded_shape(rows, columns, config) for _, rows, columns in region.sizes]
    return _cut(_grown(labels, shapes, IGNORED_LABEL), region, shapes)


def _grown(canvas: Tensor, shapes: Sequence[tuple[int, int]], value: float) -> Tensor:
    """``[..., h, w]`` padded to the largest of some shapes."""
    rows = max(height for height, _ in shapes) - canvas.shape[-2]
    columns = max(width for _, width in shapes) - canvas.shape[-1]
    return F.pad(canvas, (0, columns, 0, rows), value=value)


def _cut(canvas: Tensor, region: RegionBatch, shapes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Each patient's slices, rows and columns of a canvas ``[B, S, ..., h, w]``."""
    return [
        one[first:last, ..., :height, :width]
        for one, (first, last), (height, width) in zip(
            canvas, region.boxes[:, 0].tolist(), shapes, strict=True
        )
    ]
