"""Noise-free tissue: the head, the nuclei in it, and the signs of disease inside the nuclei.

What depends on the patient's latent state, and so on the diagnosis, is painted strictly inside the
labels. The blurred rim that a nucleus leaves outside its label carries the population's mean only,
the same in both classes, so that an image with its nuclei blanked holds no trace of the diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from MRNLib.anatomy import SIDES
from MRNLib.phantom.coordinates import nucleus_axes
from MRNLib.phantom.fractions import Tissue, tissue_slice
from MRNLib.phantom.geometry import Anatomy, Structure
from MRNLib.phantom.grid import smooth_noise
from MRNLib.phantom.head import Head
from MRNLib.phantom.signs import (
    BRIGHT_HEIGHT,
    BRIGHT_SHARE,
    BRIGHT_SHARE_SD,
    DARKENING_SD,
    NIGROSOME_DEPTH_PPB,
    NIGROSOME_DEPTH_SD,
    bright_core,
    nigrosome_weight,
    posterolateral_weight,
    severity,
    susceptibility_target,
)
from MRNLib.phantom.tables import (
    CSF_SUSCEPTIBILITY,
    GREY_SUSCEPTIBILITY,
    NEUROMELANIN,
    NM_SN_MEAN,
    SUSCEPTIBILITY,
    WHITE_SUSCEPTIBILITY,
)
from MRNLib.phantom.truth import Truth
from MRNLib.phantom.vessels import Vessels

# White, grey, fluid, brainstem, bone, fat, muscle. QSM in ppb, in the brain only; NM relative to
# midbrain tissue, T1 to white matter.
QSM_TISSUE = (WHITE_SUSCEPTIBILITY, GREY_SUSCEPTIBILITY, CSF_SUSCEPTIBILITY, -8.0)
NM_TISSUE = (0.97, 1.02, 0.72, 1.0, 0.18, 1.15, 0.8)
T1_TISSUE = (1.0, 0.68, 0.24, 0.95, 0.10, 0.95, 0.5)
T1_NUCLEI = {
    "CN": 0.70,
    "PUT": 0.73,
    "GP": 0.87,
    "TH": 0.84,
    "STN": 0.86,
    "SN": 0.87,
    "RN": 0.90,
    "DN": 0.87,
}
QSM_TEXTURE_PPB = 8.0
NM_TEXTURE = 0.008
T1_TEXTURE = 0.015
TEXTURE_MM = 5.0
NM_NUCLEUS_SD = 0.008


def background(head: Head, modalities: tuple[str, ...]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The head without nuclei.

    Returns:
        A volume [k, j, i] float32 per modality (QSM in ppb; NM and T1 relative), and depth inside
        the brain, mm.
    """
    grid_size = head.lattice.size
    images = {name: np.empty(grid_size, np.float32) for name in modalities}
    brain = np.empty(grid_size, np.float32)
    for k in range(grid_size[0]):
        tissue = tissue_slice(head, k)
        brain[k] = tissue.brain
        for name, image in images.items():
            image[k] = _slice_values(tissue, name)
    return images, brain


def _slice_values(tissue: Tissue, modality: str) -> np.ndarray:
    """One modality's values of one slice."""
    values = {"QSM": QSM_TISSUE, "NM": NM_TISSUE, "T1": T1_TISSUE}[modality]
    white, grey, fluid, stem, *outside = (np.float32(value) for value in values)
    image = tissue.white * (white + (stem - white) * tissue.stem)
    image += tissue.grey * grey
    image += tissue.fluid * fluid
    for share, value in zip((tissue.bone, tissue.fat, tissue.muscle), outside, strict=False):
        image += share * value
    return image


def paint_nuclei(
    images: dict[str, np.ndarray], anatomy: Anatomy, truth: Truth, random: np.random.Generator
) -> None:
    """Paints all nuclei into the background volumes, in place.

    Args:
        images: Volumes per modality, the anatomy's window.
        anatomy: Where the nuclei are.
        truth: What they are like.
        random: Source of the texture; its draws depend on neither the truth nor the window.
    """
    around = tuple(
        slice(min(cut.start for cut in cuts), max(cut.stop for cut in cuts))
        for cuts in zip(*(item.box for item in anatomy.structures), strict=True)
    )
    views = {name: image[around] for name, image in images.items()}
    starts = [start for start, _ in anatomy.grid.bounds]
    window = [(s + c.start, s + c.stop) for s, c in zip(starts, around, strict=True)]
    lattice, field = smooth_noise(random, anatomy.grid.windowed(window), TEXTURE_MM)
    texture = lattice.volume(field)
    offsets = NM_NUCLEUS_SD * random.standard_normal(len(anatomy.structures))
    structures = [replace(item, box=_rebased(item.box, around)) for item in anatomy.structures]
    before = {name: view.copy() for name, view in views.items()}
    for structure, offset in zip(structures, offsets, strict=True):
        if structure.nucleus.modality == "QSM":
            box = structure.box
            means = _usual_values(structure, float(offset), texture[box])
            for name, view in views.items():
                view[box] += structure.occupancy * (means[name] - before[name][box])
    for structure in structures:
        if not structure.mask.any():
            continue
        if structure.nucleus.modality == "QSM" and "QSM" in views:
            _set_susceptibility(views["QSM"], structure, anatomy, truth)
        if structure.nucleus.modality == "NM" and "NM" in views:
            _paint_neuromelanin(views["NM"], structure, anatomy, truth, texture)


def _rebased(box: Sequence[slice], around: Sequence[slice]) -> tuple[slice, slice, slice]:
    """``box`` relative to the start of ``around``."""
    k, j, i = (
        slice(cut.start - outer.start, cut.stop - outer.start)
        for cut, outer in zip(box, around, strict=True)
    )
    return k, j, i


def _usual_values(
    structure: Structure, offset: float, texture: np.ndarray
) -> dict[str, np.ndarray]:
    """What one nucleus looks like in anyone, per modality; its rim outside the label keeps this."""
    key, side = structure.nucleus.key, SIDES.index(structure.side)
    return {
        "QSM": np.float32(SUSCEPTIBILITY[key].hc) + np.float32(QSM_TEXTURE_PPB) * texture,
        "NM": np.float32(NEUROMELANIN[key][side] + offset) + np.float32(NM_TEXTURE) * texture,
        "T1": np.float32(T1_NUCLEI[key]) + np.float32(T1_TEXTURE) * texture,
    }


def paint_vessels(images: dict[str, np.ndarray], anatomy: Anatomy, vessels: Vessels) -> None:
    """Paints vessels into the volumes, in place, everywhere but in the labels."""
    index = vessels.index
    free = (anatomy.qsm_mask[index] == 0) & (anatomy.nm_mask[index] == 0)
    share = vessels.share * free
    for name, image in images.items():
        value = vessels.susceptibility if name == "QSM" else vessels.magnitude
        image[index] += share * (value - image[index])


def _set_susceptibility(
    image: np.ndarray, structure: Structure, anatomy: Anatomy, truth: Truth
) -> None:
    """Brings one label's mean to the patient's value, with nigrosome 1 in the SN."""
    mask = structure.mask
    values = image[structure.box][mask]
    weight = structure.occupancy[mask]
    if structure.nucleus.key == "SN":
        axes = nucleus_axes(mask, anatomy.grid.spacing, anatomy.side_sign(structure.side))
        depth = NIGROSOME_DEPTH_PPB - NIGROSOME_DEPTH_SD * severity(
            truth, "nigrosome", structure.side
        )
        values -= np.float32(depth) * nigrosome_weight(axes)
    target = susceptibility_target(truth, structure.nucleus.key, structure.side)
    gap = (np.float32(target) - values.mean()) / weight.mean()
    image[structure.box][mask] = values + gap * weight


def _paint_neuromelanin(
    image: np.ndarray, structure: Structure, anatomy: Anatomy, truth: Truth, texture: np.ndarray
) -> None:
    """Paints NM-SN of one side; at latent zero the label's mean is that of healthy controls."""
    mask, box = structure.mask, structure.box
    axes = nucleus_axes(mask, anatomy.grid.spacing, anatomy.side_sign(structure.side))
    grain = texture[box][mask]
    usual = np.float32(BRIGHT_HEIGHT) * bright_core(axes, grain, BRIGHT_SHARE)
    share = BRIGHT_SHARE - BRIGHT_SHARE_SD * severity(truth, "nm_volume", structure.side)
    loss = DARKENING_SD * severity(truth, "nm_contrast", structure.side)
    pattern = np.float32(BRIGHT_HEIGHT) * bright_core(axes, grain, share)
    pattern -= np.float32(loss) * posterolateral_weight(axes)
    base = np.float32(NM_SN_MEAN["HC"]) - usual.mean()
    rim = np.where(mask, np.float32(0), structure.occupancy)
    image[box] += rim * (base - image[box])
    image[box][mask] = base + pattern + np.float32(NM_TEXTURE) * grain
