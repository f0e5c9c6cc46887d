"""A nucleus's own axes, found from its mask: where the signs of disease are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NucleusAxes:
    """Per voxel of a mask (in the order of ``mask.nonzero()``), in units of about its half size.

    Attributes:
        outward: Along the long in-plane axis, positive towards posterolateral.
        across: Across it, positive towards dorsal (posteromedial).
        height: -1 at the bottom, 1 at the top.
    """

    outward: np.ndarray
    across: np.ndarray
    height: np.ndarray


def nucleus_axes(
    mask: np.ndarray, spacing: tuple[float, float, float], lateral_sign: int
) -> NucleusAxes:
    """The axes of one side's nucleus.

    Args:
        mask: Boolean [k, j, i], i to the left, j to anterior, k to superior.
        spacing: Voxel size (i, j, k), mm.
        lateral_sign: +1 where i points laterally (left side), -1 on the right.
    """
    k, j, i = mask.nonzero()
    lateral = lateral_sign * i * spacing[0]
    anterior = j * spacing[1]
    lateral, anterior = lateral - lateral.mean(), anterior - anterior.mean()
    covariance = np.cov(np.stack([lateral, anterior]), bias=True)
    angle = 0.5 * np.arctan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1])
    direction = np.array([np.cos(angle), np.sin(angle)])
    # The long axis of the SN runs from anteromedial to posterolateral.
    if direction @ (1.0, -1.0) < 0:
        direction = -direction
    u = lateral * direction[0] + anterior * direction[1]
    v = lateral * direction[1] - anterior * direction[0]
    half = max((k.max() - k.min() + 1) / 2, 0.5)
    return NucleusAxes(
        outward=u / max(2 * u.std(), spacing[0]),
        across=v / max(2 * v.std(), spacing[1]),
        height=(k - (k.max() + k.min()) / 2) / half,
    )
