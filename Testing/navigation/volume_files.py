"""A toy head, and any array as a file, for tests that read volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

SHAPE = (12, 16, 18)


def brain(seed: int = 0) -> np.ndarray:
    """Tissue in a box with air around it."""
    values = np.random.default_rng(seed).normal(600, 80, SHAPE).astype(np.float32)
    values[:2] = values[:, :3] = values[..., -4:] = 0
    return values


def write(folder: Path, name: str, array: np.ndarray, *, vector: bool = False) -> Path:
    image = sitk.GetImageFromArray(array, isVector=vector)
    if image.GetDimension() == 3:
        image.SetSpacing((0.8, 0.9, 2.0))
        image.SetOrigin((-7.0, 5.0, 11.0))
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path
