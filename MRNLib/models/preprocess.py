"""From a native crop to the network's image: window, resize, pad, normalise.

One torch function, the same in training and inference. Section 3.3 of arXiv 2509.17566 gives the
longest side and the bilinear interpolation; windows, padding and normalisation are readings, all
set in ``PreprocessConfig``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.config import PreprocessConfig

MASKED = 0.0  # what a masked ROI and the padding hold in the [0, 1] image


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


def to_unit_range(crop: Tensor, modality: str, config: PreprocessConfig) -> Tensor:
    """``crop`` with its window's ends mapped to 0 and 1 and clipped there; same shape."""
    if modality not in ("QSM", "NM"):
        raise ValueError(f"modality is QSM or NM, got {modality!r}")
    if config.intensity == "percentiles":
        ends = crop.new_tensor(config.percentiles) / 100.0
        darkest, brightest = torch.quantile(crop.flatten(), ends).unbind()
        span = (brightest - darkest).clamp_min(torch.finfo(crop.dtype).tiny)
        return ((crop - darkest) / span).clamp(0.0, 1.0)
    if modality == "NM" and config.nm_reference == "median":
        crop = crop / tissue_median(crop)
    low, high = config.qsm_window if modality == "QSM" else config.nm_window
    return ((crop - low) / (high - low)).clamp(0.0, 1.0)


def tissue_median(crop: Tensor) -> Tensor:
    """Median over the crop's tissue (its voxels above 0), which makes NM-MRI comparable.

    Raises:
        InputError: no voxel is above 0.
    """
    tissue = crop[crop > 0]
    if tissue.numel() == 0:
        raise InputError(
            "The NM region holds no tissue: none of its voxels is above 0.",
            expected="neuromelanin-sensitive signal inside the NM region",
            remedy="check that the NM image covers the midbrain and that the NM mask fits it",
        )
    return tissue.median()


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
    size = resized_shape(image.shape[-2], image.shape[-1], config)
    resized = F.interpolate(
        image[:, None], size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[:, 0]


def pad(image: Tensor, config: PreprocessConfig, value: float) -> Tensor:
    """``image`` ``[..., h, w]``, as resized, padded below and on the right with ``value``."""
    height, width = image.shape[-2:]
    to_height, to_width = padded_shape(height, width, config)
    return F.pad(image, (0, to_width - width, 0, to_height - height), value=value)


def normalise(image: Tensor, config: PreprocessConfig) -> Tensor:
    """``[slices, h, w]`` in [0, 1] to three normalised channels ``[slices, 3, h, w]``."""
    mean = image.new_tensor(config.mean).view(3, 1, 1)
    std = image.new_tensor(config.std).view(3, 1, 1)
    return (image[:, None] - mean) / std


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
    size = resized_shape(mask.shape[-2], mask.shape[-1], config)
    resized = F.interpolate(mask[:, None].float(), size=size, mode="nearest-exact")[:, 0]
    return pad(resized, config, float(padding)).long()
