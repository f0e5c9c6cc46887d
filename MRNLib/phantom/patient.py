"""One digital patient from its seed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from MRNLib.phantom import geometry, head, tissue, vessels
from MRNLib.phantom.acquisition import acquire_magnitude, acquire_qsm
from MRNLib.phantom.geometry import Anatomy
from MRNLib.phantom.grid import CHALLENGE_GRID, Grid
from MRNLib.phantom.truth import Truth, random_stream, sample_truth

MODALITIES = ("QSM", "NM", "T1")
REGIONS = ("head", "deep-grey")
# A box, [k, j, i], that holds all nuclei of every patient with room for margins.
DEEP_GREY_WINDOW = ((0, 54), (56, 240), (82, 218))


@dataclass(frozen=True)
class Phantom:
    """A digital patient's images, [k, j, i]: i to the left, j to anterior, k to superior.

    Attributes:
        qsm: Susceptibility, ppb, float32; 0 outside the brain; None if not asked for.
        nm: Neuromelanin-weighted image, scanner units, int16; None if not asked for.
        t1: T1-weighted image, scanner units, int16; None if not asked for.
        qsm_mask: Labels 0 to 16, uint8.
        nm_mask: Labels 0 to 2, uint8.
        spacing: Voxel size in mm, (i, j, k) order.
        truth: What was painted.
    """

    qsm: np.ndarray | None
    nm: np.ndarray | None
    t1: np.ndarray | None
    qsm_mask: np.ndarray
    nm_mask: np.ndarray
    spacing: tuple[float, float, float]
    truth: Truth


def generate(
    seed: int,
    diagnosis: str | None = None,
    modalities: Collection[str] = MODALITIES,
    region: str = "head",
) -> Phantom:
    """Makes the digital patient number ``seed`` on the challenge's grid.

    The same seed gives the same bytes, whatever modalities are asked for and in whichever process.
    The seed alone decides geometry, head and noise; the diagnosis changes intensities inside the
    nuclei's labels only.

    Args:
        seed: Non-negative integer.
        diagnosis: ``HC`` or ``PD``; None leaves it to the seed, balanced.
        modalities: Which of ``QSM``, ``NM``, ``T1`` to make.
        region: ``head`` for the whole volume, ``deep-grey`` for the voxels of
            :data:`DEEP_GREY_WINDOW` only, identical to the whole volume's and several times faster.

    Raises:
        ValueError: an unknown diagnosis, modality or region.
    """
    if unknown := set(modalities) - set(MODALITIES):
        raise ValueError(f"modalities are {MODALITIES}, not {sorted(unknown)}")
    if region not in REGIONS:
        raise ValueError(f"region is one of {REGIONS}, not {region!r}")
    truth = sample_truth(seed, diagnosis)
    core = CHALLENGE_GRID.windowed(DEEP_GREY_WINDOW)
    grid = CHALLENGE_GRID if region == "head" else core
    anatomy = geometry.draw(random_stream(seed, "geometry"), grid)
    return render(anatomy, truth, tuple(m for m in MODALITIES if m in modalities), core)


def render(anatomy: Anatomy, truth: Truth, modalities: tuple[str, ...], core: Grid) -> Phantom:
    """Builds the head around the nuclei, paints them and measures the images."""
    grid, seed = anatomy.grid, truth.seed
    stream = random_stream(seed, "head")
    surrounding = head.draw(stream, grid, anatomy.pose)
    veins = vessels.draw(stream, grid, anatomy.pose)
    images, brain = tissue.background(surrounding, modalities)
    tissue.paint_nuclei(images, anatomy, truth, random_stream(seed, "tissue"))
    tissue.paint_vessels(images, anatomy, veins)
    measured: dict[str, np.ndarray] = {}
    if "QSM" in images:
        measured["QSM"] = acquire_qsm(images["QSM"], brain, random_stream(seed, "qsm"), grid, core)
    for name in ("NM", "T1"):
        if name in images:
            stream = random_stream(seed, name.lower())
            measured[name] = acquire_magnitude(images[name], stream, grid, core, name)
    return Phantom(
        qsm=measured.get("QSM"),
        nm=measured.get("NM"),
        t1=measured.get("T1"),
        qsm_mask=anatomy.qsm_mask,
        nm_mask=anatomy.nm_mask,
        spacing=grid.spacing,
        truth=truth,
    )
