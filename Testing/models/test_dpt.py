from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from MRNLib.models.dpt import DensePrediction

CLASSES = {"NM": 2, "QSM1": 5}


@pytest.mark.parametrize("grid", [(16, 16), (16, 8), (5, 3), (1, 4), (1, 1)])
def test_logits_at_four_times_the_grid_then_full_size(grid: tuple[int, int]) -> None:
    rows, columns = grid
    dpt = DensePrediction(12, CLASSES, (4, 6, 8, 10), 8).eval()
    maps = [torch.randn(2, 12, rows, columns) for _ in range(4)]
    fused = dpt(maps)
    assert fused.shape == (2, 4, 4 * rows, 4 * columns)
    size = (14 * rows, 14 * columns)
    for name, classes in CLASSES.items():
        logits = dpt.logits(fused, name, size)
        assert logits.shape == (2, classes, *size)
        quarter = dpt.outputs[name](fused)
        expected = F.interpolate(quarter, size, mode="bilinear", align_corners=False)
        assert torch.equal(logits, expected)


def test_slices_do_not_mix() -> None:
    dpt = DensePrediction(12, CLASSES, (4, 6, 8, 10), 8).eval()
    maps = [torch.randn(3, 12, 4, 4) for _ in range(4)]
    together = dpt(maps)
    apart = torch.cat([dpt([level[number : number + 1] for level in maps]) for number in range(3)])
    assert torch.allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize("level", range(4))
def test_every_input_reaches_the_output(level: int) -> None:
    dpt = DensePrediction(12, CLASSES, (4, 6, 8, 10), 8)
    maps = [torch.randn(1, 12, 4, 4, requires_grad=True) for _ in range(4)]
    dpt.logits(dpt(maps), "QSM1", (32, 32)).square().sum().backward()
    gradient = maps[level].grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
