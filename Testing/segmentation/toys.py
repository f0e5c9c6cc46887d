"""Toy heads: a bright ellipse in noise with one nucleus to each side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

SPACING = (0.6667, 0.6667, 2.0)
CHALLENGE_DIRECTION = (1, 0, 0, 0, -1, 0, 0, 0, 1)


def toy_head(
    seed: int, shape: tuple[int, int, int] = (16, 64, 64), centre: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """NM-like values with two bright nuclei, and their labels; [k, j, i], i to the left.

    The right nucleus lies at small i and is round, the left one at large i and long.
    """
    random = np.random.default_rng(seed)
    k, j, i = np.indices(shape)
    rows, columns = centre or (shape[1] // 2, shape[2] // 2)
    rows, columns = rows + random.integers(-3, 4), columns + random.integers(-3, 4)
    middle = shape[0] // 2
    head = ((j - rows) / 28) ** 2 + ((i - columns) / 30) ** 2 < 1
    labels = np.zeros(shape, np.uint8)
    for label, side, height in ((1, -9, 5.5), (2, 9, 9.0)):
        along = ((k - middle) / 3.5) ** 2 + ((j - rows) / height) ** 2
        ball = along + ((i - columns - side) / 5) ** 2
        labels[ball < 1] = label
    image = 9000.0 * head + 5000.0 * (labels > 0) + random.normal(0, 400, shape)
    return np.clip(image, 0, None).astype(np.float32), labels


def as_image(array: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> sitk.Image:
    """A canonical image of an array."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def write_cohort(folder: Path, count: int) -> None:
    """Toy heads in the challenge's layout and geometry (j to anterior)."""
    for seed in range(count):
        nm, labels = toy_head(seed)
        random = np.random.default_rng(seed)
        qsm = np.where(nm > 4000, random.normal(0, 30, nm.shape), 0).astype(np.float32)
        case = folder / f"TOY_{seed:03d}"
        case.mkdir(parents=True)
        for name, array in (("NM", nm), ("QSM", qsm), ("NM_mask", labels)):
            image = as_image(array[:, ::-1])
            image.SetDirection(CHALLENGE_DIRECTION)
            sitk.WriteImage(image, str(case / f"{name}.nii.gz"))


def dice(one: sitk.Image, other: sitk.Image, label: int) -> float:
    """Dice of one label in two label maps."""
    a = sitk.GetArrayViewFromImage(one) == label
    b = sitk.GetArrayViewFromImage(other) == label
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())
