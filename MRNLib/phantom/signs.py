"""How the latent signs of disease show inside a nucleus: how much, where, on which side."""

from __future__ import annotations

import numpy as np

from MRNLib.phantom.coordinates import NucleusAxes
from MRNLib.phantom.tables import SUSCEPTIBILITY
from MRNLib.phantom.truth import Truth

# How the latent signs (z-scores, PD higher) show. Neuromelanin: the bright core of NM-SN fills a
# share of its label and is BRIGHT_HEIGHT above it; its posterolateral quarter darkens. The values
# leave the whole-label mean .010 apart between the classes, as published.
BRIGHT_HEIGHT = 0.085
BRIGHT_SHARE, BRIGHT_SHARE_SD = 0.55, 0.042
BRIGHT_EDGE = 0.25
DARKENING_SD = 0.0145
# Nigrosome 1: a pocket of low susceptibility, dorsolateral in the SN, that fills up in PD.
NIGROSOME_DEPTH_PPB, NIGROSOME_DEPTH_SD = 62.0, 30.0
# The more affected side is this much worse than the mean of both, per unit of lateralisation.
LATERALISATION_MEAN = 2.0
LATERALISATION = {"nm_contrast": 0.35, "nm_volume": 0.25, "nigrosome": 0.3}
LATERALISATION_SN_PPB = 2.0


def lateralisation(truth: Truth, side: str) -> float:
    """How one-sided the disease is; positive on the more affected side."""
    amount = max(0.0, LATERALISATION_MEAN + truth.latent["asymmetry"])
    return amount if side == truth.more_affected_side else -amount


def severity(truth: Truth, sign: str, side: str) -> float:
    """z-score of one sign on one side."""
    return truth.latent[sign] + LATERALISATION[sign] * lateralisation(truth, side)


def susceptibility_target(truth: Truth, key: str, side: str) -> float:
    """Mean susceptibility inside one nucleus's label on one side, ppb."""
    row = SUSCEPTIBILITY[key]
    half = 0.5 if side == "L" else -0.5
    value = row.hc + row.sd * truth.latent[key]
    value += half * (row.left_minus_right + truth.side_difference[key])
    if key == "SN":
        value += LATERALISATION_SN_PPB * lateralisation(truth, side)
    return value


def nigrosome_weight(axes: NucleusAxes) -> np.ndarray:
    """Where nigrosome 1 lies in the SN, 0 to 1."""
    distance = (
        ((axes.outward - 0.62) / 0.38) ** 2
        + ((axes.across - 0.15) / 0.55) ** 2
        + ((axes.height + 0.1) / 0.55) ** 2
    )
    return np.exp(-distance / 2).astype(np.float32)


def posterolateral_weight(axes: NucleusAxes) -> np.ndarray:
    """The posterolateral part of NM-SN that loses neuromelanin first, 0 to 1."""
    return np.clip((axes.outward - 0.35) / 0.3 + 0.5, 0, 1).astype(np.float32)


def bright_core(axes: NucleusAxes, texture: np.ndarray, share: float) -> np.ndarray:
    """The hyperintense part of NM-SN: its innermost ``share``, with a soft edge, 0 to 1."""
    depth = np.sqrt((axes.outward + 0.1) ** 2 + axes.across**2 + (0.5 * axes.height) ** 2)
    depth = depth + 0.08 * texture
    limit = np.quantile(depth, np.clip(share, 0.05, 0.95))
    return np.clip((limit - depth) / BRIGHT_EDGE + 0.5, 0, 1).astype(np.float32)
