"""Values in closed form: window ends, sizes, padding, masked ROIs, labels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from MRNLib.errors import InputError
from MRNLib.models.config import PreprocessConfig
from MRNLib.models.preprocess import (
    blank,
    blank_like,
    padded_shape,
    preprocess,
    preprocess_labels,
    resize,
    resized_shape,
    to_unit_range,
)

CONFIG = PreprocessConfig()
SMALL = PreprocessConfig(roi_size=32, patch_size=8)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@pytest.mark.parametrize(
    ("ppb", "value"),
    [(-150.0, 0.0), (350.0, 1.0), (100.0, 0.5), (0.0, 0.3), (-999.0, 0.0), (9e9, 1.0)],
)
def test_qsm_window_is_absolute(ppb: float, value: float) -> None:
    image = to_unit_range(torch.full((1, 2, 2), ppb), "QSM", CONFIG)
    assert torch.allclose(image, torch.full_like(image, value))


@pytest.mark.parametrize("scale", [1.0, 1000.0, 1e-3])
def test_nm_is_relative_to_its_tissue_median(scale: float) -> None:
    relative = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.5, 0.7, 1.0, 1.05, 1.4])
    image = to_unit_range((relative * scale).view(1, 3, 3), "NM", CONFIG)
    expected = torch.tensor([0.0] * 6 + [0.3 / 0.7, 0.5, 1.0])
    assert torch.allclose(image.flatten(), expected, atol=1e-5)


def test_nm_without_tissue_says_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        preprocess(torch.zeros(2, 8, 8), "NM", SMALL)
    assert "What to do" in str(caught.value)


def test_unknown_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="QSM or NM"):
        preprocess(torch.zeros(2, 8, 8), "T1", SMALL)


@pytest.mark.parametrize("shape", [(8, 8), (0, 8, 8), (2, 8, 0), (1, 2, 8, 8)])
def test_what_is_no_crop_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="slices, height, width"):
        preprocess(torch.zeros(shape), "QSM", SMALL)


def test_percentiles_option() -> None:
    config = replace(SMALL, intensity="percentiles", percentiles=(10.0, 90.0))
    image = to_unit_range(torch.arange(101.0).view(1, 1, 101), "QSM", config).flatten()
    assert torch.allclose(image[[0, 10, 50, 90, 100]], torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))
    assert torch.isfinite(to_unit_range(torch.ones(1, 4, 4), "QSM", config)).all()


@pytest.mark.parametrize(
    ("native", "resized", "padded"),
    [
        ((38, 17), (224, 100), (224, 112)),
        ((92, 82), (224, 200), (224, 210)),
        ((24, 43), (125, 224), (126, 224)),
        ((10, 10), (224, 224), (224, 224)),
        ((448, 100), (224, 50), (224, 56)),
        ((500, 1), (224, 1), (224, 14)),
    ],
)
def test_aspect_kept_and_padded_to_patches(
    native: tuple[int, int], resized: tuple[int, int], padded: tuple[int, int]
) -> None:
    assert resized_shape(*native, CONFIG) == resized
    assert padded_shape(*native, CONFIG) == padded
    assert padded_shape(*native, replace(CONFIG, pad="square")) == (224, 224)
    stack = preprocess(torch.zeros(2, *native), "QSM", CONFIG)
    assert stack.shape == (2, 3, *padded)
    assert stack.dtype == torch.float32


def test_enlarging_is_plain_bilinear() -> None:
    crop = torch.rand(3, 20, 13)
    plain = F.interpolate(crop[:, None], (224, 146), mode="bilinear", align_corners=False)[:, 0]
    assert torch.allclose(resize(crop, CONFIG), plain, atol=1e-5)


def test_bilinear_values_by_hand() -> None:
    config = replace(SMALL, roi_size=4, patch_size=4)
    # Two pixels enlarged to four: centres at -1/4, 1/4, 3/4 and 5/4 of the native pixels.
    row = resize(torch.tensor([[[0.0, 1.0]]]), config)[0, 0]
    assert torch.allclose(row, torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_padding_and_masked_roi_are_zeros_before_normalisation() -> None:
    stack = preprocess(torch.full((2, 32, 20), 350.0), "QSM", SMALL)
    assert stack.shape == (2, 3, 32, 24)
    assert torch.allclose(stack[0, :, :, :20], ((1 - MEAN) / STD).expand(3, 32, 20))
    padding = (-MEAN / STD).expand(3, 32, 4)
    assert torch.allclose(stack[1, :, :, 20:], padding)
    masked = blank(2, 32, 20, SMALL)
    assert torch.equal(masked, preprocess(torch.full((2, 32, 20), -1e6), "QSM", SMALL))
    assert torch.equal(masked, blank_like(stack, SMALL))
    assert torch.allclose(masked[0, :, :, 20:], padding)


def test_half_precision_crops_are_widened() -> None:
    crop = torch.rand(2, 9, 7) * 100
    exact = preprocess(crop.half().float(), "QSM", SMALL)
    assert torch.equal(preprocess(crop.half(), "QSM", SMALL), exact)


def test_labels_lie_on_the_image() -> None:
    labels = torch.zeros(2, 16, 10, dtype=torch.uint8)
    labels[:, 4:8, 2:5] = 3
    resized = preprocess_labels(labels, SMALL)
    assert resized.shape == preprocess(torch.rand(2, 16, 10), "QSM", SMALL)[:, 0].shape
    assert resized.dtype == torch.int64
    expected = torch.zeros(2, 32, 24, dtype=torch.int64)
    expected[:, 8:16, 4:10] = 3
    assert torch.equal(resized, expected)
    ignored = preprocess_labels(labels, SMALL, padding=-100)
    assert (ignored[:, :, 20:] == -100).all()
    assert torch.equal(ignored[:, :, :20], expected[:, :, :20])


def test_labels_and_image_agree_when_shrunk() -> None:
    mask = torch.zeros(1, 64, 64, dtype=torch.uint8)
    mask[:, 16:40, 8:24] = 1
    labels = preprocess_labels(mask, SMALL)
    image = resize(mask.float(), SMALL)
    assert ((image > 0.5) == (labels == 1)).float().mean() > 0.99
