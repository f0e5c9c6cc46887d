"""Ragged ROIs in one batch: how the tokens of ROIs of different sizes lie in one packed tensor.

ROI after ROI, slice after slice, and within a slice its slice token followed by its patches, row by
row. ROIs of equal slices are neighbours, so that what acts on single slices sees few large dense
batches and no padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

import torch
from torch import Tensor

Runs = tuple[
    tuple[int, int], ...
]  # (sequences, tokens in each): neighbouring sequences of equal length


@dataclass(frozen=True)
class RoiShape:
    """An ROI's patch grid: rows and columns of patches in each slice, and slices."""

    rows: int
    columns: int
    slices: int

    @property
    def slice_length(self) -> int:
        """Tokens of one slice: its slice token and its patches."""
        return 1 + self.rows * self.columns


@dataclass(frozen=True)
class Layout:
    """Where each ROI's tokens lie.

    Attributes:
        rois: The ROIs' grids in packed order.
        order: For each packed ROI its number in the order in which it was given.
    """

    rois: tuple[RoiShape, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, shapes: Sequence[RoiShape]) -> Layout:
        """The layout that packs ROIs of ``shapes``."""
        keys = [(shape.rows, shape.columns, shape.slices) for shape in shapes]
        order = sorted(range(len(shapes)), key=keys.__getitem__)
        return cls(tuple(shapes[index] for index in order), tuple(order))

    @property
    def inverse(self) -> list[int]:
        """For each ROI, in the order given, its packed number."""
        return sorted(range(len(self.order)), key=self.order.__getitem__)

    @cached_property
    def groups_of_rois(self) -> tuple[tuple[RoiShape, ...], ...]:
        """The packed ROIs, those with equal grids together."""
        grids = groupby(self.rois, key=lambda roi: (roi.rows, roi.columns))
        return tuple(tuple(rois) for _, rois in grids)

    @cached_property
    def groups(self) -> tuple[RoiShape, ...]:
        """Each group of ROIs with equal grids as one, its slices summed."""
        return tuple(
            RoiShape(rois[0].rows, rois[0].columns, sum(roi.slices for roi in rois))
            for rois in self.groups_of_rois
        )

    @cached_property
    def local_runs(self) -> Runs:
        """Sequences of the attention within each slice."""
        return tuple((group.slices, group.slice_length) for group in self.groups)

    @cached_property
    def global_runs(self) -> Runs:
        """Sequences of the attention over all slices of each ROI."""
        return _runs([roi.slices * roi.slice_length for roi in self.rois])

    @cached_property
    def roi_runs(self) -> Runs:
        """Sequences of one ROI token and its slice tokens."""
        return _runs([1 + roi.slices for roi in self.rois])

    @cached_property
    def roi_token_positions(self) -> list[int]:
        """Where each ROI's token lies among the sequences of ``roi_runs``."""
        return [0, *accumulate(1 + roi.slices for roi in self.rois)][:-1]

    def group_views(self, tokens: Tensor) -> Iterator[tuple[RoiShape, Tensor]]:
        """Each group of packed ``[tokens, C]`` as ``[slices, 1 + patches, C]``, without a copy."""
        lengths = [group.slices * group.slice_length for group in self.groups]
        for group, part in zip(self.groups, tokens.split(lengths), strict=True):
            yield group, part.view(group.slices, group.slice_length, -1)

    def slice_tokens(self, tokens: Tensor) -> Tensor:
        """The slice tokens ``[slices of all ROIs, C]`` of packed ``[tokens, C]``."""
        return torch.cat([view[:, 0] for _, view in self.group_views(tokens)])

    def patch_maps(self, tokens: Tensor) -> list[Tensor]:
        """The patches of packed ``[tokens, C]`` as one ``[slices, C, rows, columns]`` per group."""
        return [
            view[:, 1:].transpose(1, 2).unflatten(2, (group.rows, group.columns))
            for group, view in self.group_views(tokens)
        ]

    def split_slices(self, values: Tensor) -> tuple[Tensor, ...]:
        """``[slices of all ROIs, ...]`` as one ``[slices, ...]`` per packed ROI."""
        return values.split([roi.slices for roi in self.rois])


def _runs(lengths: Sequence[int]) -> Runs:
    return tuple((len(list(equal)), length) for length, equal in groupby(lengths))
