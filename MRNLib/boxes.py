"""Boxes of voxels, and what arrays hold inside them. Needs numpy only.

Arrays are ``[k, j, i]`` (slice, row, column); boxes are in ``(i, j, k)`` order, as SimpleITK's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.errors import InputError

Index = tuple[int, int, int]


def triple(values: Iterable[int]) -> Index:
    """Three numbers ``(i, j, k)`` as plain integers."""
    i, j, k = (int(value) for value in values)
    return i, j, k


@dataclass(frozen=True)
class Box:
    """A box of voxels on the canonical grid, in ``(i, j, k)`` order.

    Attributes:
        lower: First voxel inside, per axis.
        upper: First voxel outside, per axis.
    """

    lower: Index
    upper: Index

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", triple(self.lower))
        object.__setattr__(self, "upper", triple(self.upper))
        if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"an empty box: {self}")

    @property
    def size(self) -> Index:
        """Voxels along ``(i, j, k)``."""
        return triple([high - low for low, high in zip(self.lower, self.upper, strict=True)])

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The numpy index of the box in an array ``[k, j, i]``."""
        (i0, j0, k0), (i1, j1, k1) = self.lower, self.upper
        return slice(k0, k1), slice(j0, j1), slice(i0, i1)

    def clip(self, size: Sequence[int]) -> Box:
        """The part inside a volume of ``size`` voxels ``(i, j, k)``; ``ValueError`` if none."""
        lower = [max(low, 0) for low in self.lower]
        upper = [min(high, int(limit)) for high, limit in zip(self.upper, size, strict=True)]
        return Box(triple(lower), triple(upper))

    def expand(self, margin: Sequence[int], clip: Sequence[int] | None = None) -> Box:
        """The box widened by ``margin`` voxels at each end, clipped to a volume's size."""
        lower = [low - int(by) for low, by in zip(self.lower, margin, strict=True)]
        upper = [high + int(by) for high, by in zip(self.upper, margin, strict=True)]
        wide = Box(triple(lower), triple(upper))
        return wide if clip is None else wide.clip(clip)

    def shift(self, offset: Sequence[int], clip: Sequence[int] | None = None) -> Box:
        """The box moved by ``offset`` voxels.

        With ``clip`` (the volume's size) it stops at the volume's border and keeps its own size.
        """
        steps = [int(step) for step in offset]
        if clip is not None:
            bounds = zip(steps, self.lower, self.upper, clip, strict=True)
            steps = [min(max(step, -low), int(size) - high) for step, low, high, size in bounds]
        lower = [low + step for low, step in zip(self.lower, steps, strict=True)]
        upper = [high + step for high, step in zip(self.upper, steps, strict=True)]
        return Box(triple(lower), triple(upper))

    def __str__(self) -> str:
        return ",".join(f"{a}:{b}" for a, b in zip(self.lower, self.upper, strict=True))

    @classmethod
    def parse(cls, text: str) -> Box:
        """A box from ``"i0:i1,j0:j1,k0:k1"``, as ``str(box)`` writes it.

        Raises:
            InputError: The text is not a box.
        """
        if re.fullmatch(r"\s*\d+:\d+\s*(,\s*\d+:\d+\s*){2}", text):
            ends = [[int(end) for end in axis.split(":")] for axis in text.split(",")]
            if all(low < high for low, high in ends):
                return cls(triple([low for low, _ in ends]), triple([high for _, high in ends]))
        raise InputError(
            f"'{text}' is not a box",
            expected="i0:i1,j0:j1,k0:k1 in voxels with each start below its end, "
            "e.g. 130:170,140:160,20:26",
        )


def crop(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """The voxels of ``array`` ``[k, j, i]`` in ``box``: ``[slices, height, width]``, a view.

    Raises:
        ValueError: The box leaves the array.
    """
    size = array.shape[::-1]
    if min(box.lower) < 0 or any(high > limit for high, limit in zip(box.upper, size, strict=True)):
        raise ValueError(f"box {box} leaves the volume of {size} voxels")
    return array[box.slices]


def bounding_box(mask: NDArray[Any]) -> Box | None:
    """The smallest box around the non-zero voxels of ``mask`` ``[k, j, i]``, or None."""
    ends = []
    for axis in (2, 1, 0):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(np.any(mask, axis=others))
        if not found.size:
            return None
        ends.append((int(found[0]), int(found[-1]) + 1))
    return Box(triple([low for low, _ in ends]), triple([high for _, high in ends]))


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around ``boxes`` (at least one)."""
    lower = np.min([box.lower for box in boxes], axis=0)
    return Box(triple(lower), triple(np.max([box.upper for box in boxes], axis=0)))
