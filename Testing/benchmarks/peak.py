"""What a machine can do at most: the rate of a large matrix product."""

from __future__ import annotations

import math
import time

import torch


def matmul_peak(device: torch.device, precision: str) -> float:
    """Best rate of a large square matrix product, in operations a busy second."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    side, best = (8192 if device.type == "cuda" else 1024), math.inf
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    for _ in range(20):
        if on_gpu:
            torch.cuda.synchronize()
        start = clock()
        left @ right
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, clock() - start)
    return 2 * side**3 / best
