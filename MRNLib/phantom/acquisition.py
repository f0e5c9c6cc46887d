"""From tissue to measured images: shading, noise, the brain mask of QSM, scanner units."""

from __future__ import annotations

import numpy as np

from MRNLib.phantom.grid import Grid, smooth_noise

QSM_NOISE_PPB = 14.0
QSM_RESIDUAL_PPB = 6.0
# Susceptibilities are kept as multiples of this, which float32 holds exactly and gzip compresses
# better.
QSM_STEP_PPB = 1 / 8
BRAIN_MARGIN_MM = 1.0
NM_NOISE = 0.035
NM_SHADING = 0.022
# Scanner units of tissue: about 20,000 in the SN, which is 1.04 of tissue; CV between subjects.
NM_SCALE, NM_SCALE_CV = 19_200.0, 0.046
T1_NOISE = 0.025
T1_SHADING = 0.03
T1_SCALE = 1000.0


def _white(random: np.random.Generator, grid: Grid, core: Grid) -> np.ndarray:
    """White noise on the grid's window, the same in ``core`` for every window that holds it.

    Two draws, one for the core and one for the whole volume, make the core available without the
    rest.
    """
    (inner,) = random.spawn(1)
    middle = inner.standard_normal(core.size, dtype=np.float32)
    if grid.bounds == core.bounds:
        return middle
    noise = random.standard_normal(grid.shape, dtype=np.float32)
    cut = tuple(slice(start, stop) for start, stop in core.bounds)
    noise[cut] = middle
    return noise[tuple(slice(start, stop) for start, stop in grid.bounds)]


def acquire_qsm(
    tissue: np.ndarray, brain: np.ndarray, random: np.random.Generator, grid: Grid, core: Grid
) -> np.ndarray:
    """Measured susceptibility, ppb, float32, exactly 0 outside the brain."""
    lattice, residual = smooth_noise(random, grid, 30.0)
    image = _white(random, grid, core)
    image *= np.float32(QSM_NOISE_PPB)
    image += tissue
    for k in range(len(image)):
        image[k] += np.float32(QSM_RESIDUAL_PPB) * lattice.slice_at(residual, k)
    image *= np.float32(1 / QSM_STEP_PPB)
    np.rint(image, out=image)
    image *= np.float32(QSM_STEP_PPB)
    # +0.0, never -0.0: outside the brain the value is exactly zero.
    image[brain <= BRAIN_MARGIN_MM] = 0.0
    return image + np.float32(0)


def acquire_magnitude(
    tissue: np.ndarray, random: np.random.Generator, grid: Grid, core: Grid, modality: str
) -> np.ndarray:
    """A magnitude image, NM or T1: smooth shading, Rician noise, scanner units, int16."""
    noise, shade, scale, spread = {
        "NM": (NM_NOISE, NM_SHADING, NM_SCALE, NM_SCALE_CV),
        "T1": (T1_NOISE, T1_SHADING, T1_SCALE, 0.05),
    }[modality]
    lattice, field = smooth_noise(random, grid, 60.0)
    gain = scale * np.exp(spread * np.clip(random.standard_normal(), -2.5, 2.5))
    real = _white(random, grid, core)
    imaginary = _white(random, grid, core)
    result = np.empty(tissue.shape, np.int16)
    for k in range(len(tissue)):
        shading = np.clip(np.float32(shade) * lattice.slice_at(field, k), -0.05, 0.05) + np.float32(
            1
        )
        signal = tissue[k] * shading + np.float32(noise) * real[k]
        size = np.sqrt(signal * signal + (np.float32(noise) * imaginary[k]) ** 2)
        result[k] = np.minimum(size * np.float32(gain) + np.float32(0.5), 32767)
    return result
