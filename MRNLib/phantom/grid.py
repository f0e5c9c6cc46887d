"""The voxel grid of a phantom, windows into it, and smooth fields that ignore the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

COARSE_MM = 2.0


@dataclass(frozen=True)
class Grid:
    """A volume's voxels, or a window of them.

    Attributes:
        shape: Voxels of the whole volume, [slices, rows, columns] = [k, j, i].
        spacing: Voxel size in mm, in (i, j, k) order as SimpleITK gives it.
        window: First and last-plus-one voxel per array axis [k, j, i]; the whole volume by default.

    Coordinates are mm from the first voxel of the whole volume: x to the patient's left, y to
        anterior, z to
    superior, the order of the challenge's arrays.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    window: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = None

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """The window, spelled out."""
        return self.window or tuple((0, size) for size in self.shape)

    @property
    def size(self) -> tuple[int, ...]:
        """Voxels of the window, [k, j, i]."""
        return tuple(stop - start for start, stop in self.bounds)

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Voxel centres of the window along x, y and z, mm."""
        z, y, x = (
            np.arange(start, stop, dtype=np.float32) * np.float32(step)
            for (start, stop), step in zip(self.bounds, self.spacing[::-1], strict=True)
        )
        return x, y, z

    def extent(self) -> tuple[float, float, float]:
        """Size of the whole volume along x, y and z, mm."""
        i, j, k = self.shape[::-1]
        return i * self.spacing[0], j * self.spacing[1], k * self.spacing[2]

    def windowed(self, window: Sequence[tuple[int, int]]) -> Grid:
        """The same volume seen through ``window``, clipped to it."""
        k, j, i = (
            (max(0, start), min(size, stop))
            for (start, stop), size in zip(window, self.shape, strict=True)
        )
        return replace(self, window=(k, j, i))

    def box(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice, slice]:
        """Array slices of the window that cover the (x, y, z) mm box from ``low`` to ``high``."""
        cut = []
        for axis, (start, stop) in zip((2, 1, 0), self.bounds, strict=True):
            first = int(np.floor(low[axis] / self.spacing[axis])) - start
            last = int(np.ceil(high[axis] / self.spacing[axis])) + 1 - start
            first = min(max(first, 0), stop - start)
            cut.append(slice(first, max(first, min(last, stop - start))))
        return cut[0], cut[1], cut[2]


CHALLENGE_GRID = Grid((70, 300, 300), (2 / 3, 2 / 3, 2.0))


class Lattice:
    """A coarse lattice of ``step`` mm over (a window of) a grid, and linear interpolation from it.

    Interpolation is elementwise, so a voxel's value does not depend on which window it is computed
    in.
    """

    def __init__(self, grid: Grid, step: float = COARSE_MM) -> None:
        self.step = step
        self.size = grid.size
        k, j, i = (int(np.floor(extent / step)) + 2 for extent in grid.extent()[::-1])
        self.full = (k, j, i)
        index, self._weight, bounds = [], [], []
        for axis, size in zip(grid.axes()[::-1], self.full, strict=True):
            position = axis / np.float32(step)
            low = np.minimum(position.astype(np.intp), size - 2)
            bounds.append((int(low[0]), int(low[-1]) + 2))
            index.append(low - low[0])
            self._weight.append((position - low).astype(np.float32))
        self._index = index
        self.bounds = tuple(bounds)

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lattice points of the window along x, y and z, mm."""
        z, y, x = (
            np.arange(start, stop, dtype=np.float32) * np.float32(self.step)
            for start, stop in self.bounds
        )
        return x, y, z

    def cut(self, field: np.ndarray) -> np.ndarray:
        """The window's part of a field on the full lattice."""
        return field[tuple(slice(start, stop) for start, stop in self.bounds)]

    def slice_at(self, field: np.ndarray, k: int) -> np.ndarray:
        """The window's slice ``k``, [rows, columns], of a field on this lattice's window."""
        low, weight = self._index[0][k], self._weight[0][k]
        plane = field[low]
        if weight > 0:
            plane = plane + (field[low + 1] - plane) * weight
        rows, row_weight = self._index[1], self._weight[1][:, None]
        plane = plane[rows] + (plane[rows + 1] - plane[rows]) * row_weight
        columns, column_weight = self._index[2], self._weight[2]
        left = plane.take(columns, axis=1)
        right = plane.take(columns + 1, axis=1)
        right -= left
        right *= column_weight
        right += left
        return right

    def volume(self, field: np.ndarray) -> np.ndarray:
        """All of the window's slices of a field, [k, j, i]."""
        return np.stack([self.slice_at(field, k) for k in range(len(self._index[0]))])


def smooth_noise(
    random: np.random.Generator, grid: Grid, scale: float
) -> tuple[Lattice, np.ndarray]:
    """A smooth random field of unit standard deviation.

    Args:
        random: Source of randomness; the draw does not depend on the grid's window.
        grid: Where the field is needed.
        scale: Distance in mm over which it changes.

    Returns:
        The lattice and the field on that lattice's window.
    """
    lattice = Lattice(grid, scale / 2)
    field = random.standard_normal(lattice.full, dtype=np.float32)
    field = ndimage.gaussian_filter(field, 1.0, mode="wrap")
    field /= field.std()
    return lattice, lattice.cut(field)


def smooth_noise_on(
    random: np.random.Generator, grid: Grid, lattice: Lattice, scale: float
) -> np.ndarray:
    """:func:`smooth_noise`, interpolated to the points of ``lattice``'s window."""
    points = Grid(lattice.full, (lattice.step,) * 3).windowed(lattice.bounds)
    coarse, field = smooth_noise(random, points, scale)
    return coarse.volume(field)
