from __future__ import annotations

import torch

from MRNLib.models.packing import Layout, RoiShape

SHAPES = [RoiShape(4, 4, 2), RoiShape(2, 3, 5), RoiShape(4, 4, 1), RoiShape(2, 3, 5)]


def test_equal_grids_are_neighbours_and_order_can_be_undone() -> None:
    layout = Layout.of(SHAPES)
    assert layout.order == (1, 3, 2, 0)
    assert [layout.order[packed] for packed in layout.inverse] == [0, 1, 2, 3]
    assert layout.groups == (RoiShape(2, 3, 10), RoiShape(4, 4, 3))


def test_runs_name_dense_sequences() -> None:
    layout = Layout.of(SHAPES)
    assert layout.local_runs == ((10, 7), (3, 17))
    assert layout.global_runs == ((2, 35), (1, 17), (1, 34))
    assert layout.roi_runs == ((2, 6), (1, 2), (1, 3))
    assert layout.roi_token_positions == [0, 6, 12, 14]
    tokens = sum(count * length for count, length in layout.local_runs)
    assert tokens == sum(count * length for count, length in layout.global_runs)


def test_slice_tokens_and_patch_maps_come_apart() -> None:
    layout = Layout.of(SHAPES)
    sizes = [(roi.slices, roi.slice_length) for roi in layout.rois]
    labelled = torch.cat(
        [
            torch.arange(slices * length).view(-1, 1) + 1000 * number
            for number, (slices, length) in enumerate(sizes)
        ]
    )
    slice_tokens = layout.split_slices(layout.slice_tokens(labelled))
    assert slice_tokens[1].flatten().tolist() == [1000, 1007, 1014, 1021, 1028]
    assert slice_tokens[3].flatten().tolist() == [3000, 3017]
    small, large = layout.patch_maps(labelled)
    assert small.shape == (10, 1, 2, 3)
    assert small[6, 0].tolist() == [[1008, 1009, 1010], [1011, 1012, 1013]]
    assert large[0, 0, 0].tolist() == [2001, 2002, 2003, 2004]
