"""Toy heads with nuclei that can be seen, and features made of the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import navigation_toys as toys
import numpy as np
import torch

from MRNLib.navigation.volumes import Volume

COUNTS = {"QSM": 16, "NM": 2}


def labelled_heads(numbers: Sequence[int], prefix: str = "patient") -> list[Volume]:
    """Two volumes for each patient; nuclei are bright balls in two rows, right and left."""
    return [
        _labelled(toys.head(number, role, f"{prefix}_{number}"), count)
        for number in numbers
        for role, count in COUNTS.items()
    ]


def _labelled(volume: Volume, count: int) -> Volume:
    labels = np.zeros(volume.values.shape, np.uint8)
    k, j, i = np.indices(labels.shape)
    middle = np.array(labels.shape) / 2
    for label in range(1, count + 1):
        pair, side = divmod(label - 1, 2)
        place = middle + np.array([2 * (pair % 2) - 1, 5 * (pair // 2) - 7, 10 * side - 5])
        ball = (k - place[0]) ** 2 + (j - place[1]) ** 2 + (i - place[2]) ** 2 <= 6
        labels[ball] = label
    values = volume.values.float()
    values[torch.from_numpy(labels > 0)] = 1.0
    return dataclasses.replace(
        volume, values=values.half(), labels=torch.from_numpy(labels), phantom=True
    )
