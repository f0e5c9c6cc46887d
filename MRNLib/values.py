"""Whether voxel values can be what they are said to be: susceptibility, neuromelanin, T1.

All numbers are taken over the non-zero finite voxels of a sample of the volume: a susceptibility
map is exactly 0 outside its brain mask. In the challenge's maps the standard deviation over the
brain is 30-41 ppb and veins reach 2,800; the limits below leave wide room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.errors import InputError

PPB_PER_PPM = 1000.0
PPM_BELOW = 2.0
IMPLAUSIBLE_ABOVE = 5000.0
SMALLEST_P99 = 15.0
WIDE_ABOVE = 1000.0
SAMPLE = 400_000
# A susceptibility map is negative in about half of the brain, a magnitude image nowhere (but for a
# few voxels that interpolation made).
SIGNED_ABOVE = 0.1
UNSIGNED_BELOW = 0.02
# Between the 1st and 99th percentile a uniform distribution spans 1.96 interquartile ranges, a
# normal one 3.4, a brain with veins more.
UNIFORM_SPAN = 2.3
# Difference of neighbours over that of second neighbours: below 1 in a still head, 1 in noise.
MOTION_ABOVE = 1.1
SHADING_ABOVE = 0.12


@dataclass(frozen=True)
class Summary:
    """What the values of a volume look like; ``count`` 0 means nothing but zeros."""

    count: int
    negative: float
    low: float
    quartiles: tuple[float, float, float]
    high: float
    deviation: float
    background: float


def summarise(array: NDArray[Any]) -> Summary:
    """Percentiles (1, 25, 50, 75, 99), spread and share of negatives of non-zero finite voxels."""
    step = max(1, array.size // SAMPLE)
    # An odd step does not fall in with the rows of the volume.
    sample = np.asarray(array).reshape(-1)[:: step | 1].astype(np.float64)
    finite = sample[np.isfinite(sample)]
    inside = finite[finite != 0]
    if not inside.size:
        return Summary(0, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0, 0.0, 1.0)
    low, first, middle, third, high = (float(x) for x in np.percentile(inside, [1, 25, 50, 75, 99]))
    return Summary(
        inside.size,
        float(np.mean(inside < 0)),
        low,
        (first, middle, third),
        high,
        float(inside.std()),
        1.0 - inside.size / max(finite.size, 1),
    )


def looks_like_susceptibility(summary: Summary) -> bool:
    """Values of both signs around zero."""
    scale = max(summary.high, -summary.low)
    return summary.negative >= SIGNED_ABOVE and abs(summary.quartiles[1]) < 0.5 * scale


def looks_like_magnitude(summary: Summary) -> bool:
    """Non-zero and (nearly) nowhere negative."""
    return summary.count > 0 and summary.negative < UNSIGNED_BELOW


def check_not_constant(summary: Summary, file: str) -> None:
    """Refuses a volume without content.

    Raises:
        InputError: All voxels are zero, not a number, or the same.
    """
    if summary.count == 0 or (summary.deviation == 0 and summary.background == 0):
        what = "all voxels are zero" if summary.count == 0 else "all voxels have the same value"
        raise InputError(
            what, file=file, expected="an image of the head", remedy="export the volume again"
        )


def check_not_phase(summary: Summary, file: str) -> None:
    """Refuses a phase image: values of both signs, spread evenly over an interval.

    Raises:
        InputError: The values look like phase.
    """
    first, _, third = summary.quartiles
    span = summary.high - summary.low
    even = third > first and span < UNIFORM_SPAN * (third - first)
    symmetric = abs(summary.high + summary.low) < 0.1 * span
    if even and symmetric and summary.negative > 0.3:
        raise InputError(
            f"the values look like a phase image (spread evenly from {summary.low:.4g} to "
            f"{summary.high:.4g})",
            file=file,
            expected="a reconstructed susceptibility map, or a magnitude image for NM and T1",
            remedy="choose the reconstructed volume, not the phase it was made from",
        )


def not_susceptibility(why: str, file: str, remedy: str | None = None) -> InputError:
    """The error for a volume that cannot be a susceptibility map."""
    return InputError(
        f"not a susceptibility map: {why}",
        file=file,
        expected="QSM in ppb (typically -100 to 200 in the brain) or ppm, positive where iron is",
        remedy=remedy or "choose the reconstructed QSM volume, in ppb or ppm",
    )


def susceptibility_scale(summary: Summary, file: str) -> tuple[float, tuple[str, ...]]:
    """The factor that turns a susceptibility map into ppb, with a warning if it is not 1.

    Raises:
        InputError: The values cannot be susceptibility in ppb or ppm.
    """
    if not looks_like_susceptibility(summary):
        raise not_susceptibility(
            f"{100 * summary.negative:.0f} % of its values are negative, median "
            f"{summary.quartiles[1]:.4g}",
            file,
            "if the QSM and NM files were exchanged, swap them; else choose the QSM volume",
        )
    p99 = summary.high
    if p99 > IMPLAUSIBLE_ABOVE:
        raise not_susceptibility(f"its 99th percentile is {p99:.4g} (arbitrary scale)", file)
    scale = PPB_PER_PPM if p99 < PPM_BELOW else 1.0
    if p99 * scale < SMALLEST_P99:
        raise not_susceptibility(f"its 99th percentile is {p99:.3g} (arbitrary scale)", file)
    if scale != 1.0:
        return scale, (f"{file}: values are in ppm (99th percentile {p99:.3g}), converted to ppb",)
    if p99 > WIDE_ABOVE:
        return 1.0, (f"{file}: unusually wide values (99th percentile {p99:.4g} ppb)",)
    return 1.0, ()


def check_sign(array: NDArray[Any], file: str) -> None:
    """Refuses a map with its sign inverted: iron and veins make the upper tail the longer one.

    Args:
        array: Susceptibility in ppb.
        file: For the message.

    Raises:
        InputError: The lower tail is clearly longer than the upper one.
    """
    step = max(1, array.size // SAMPLE)
    sample = np.asarray(array).reshape(-1)[:: step | 1]
    inside = sample[np.isfinite(sample) & (sample != 0)]
    lowest, middle, highest = (float(x) for x in np.percentile(inside, [0.5, 50, 99.5]))
    if middle - lowest > 1.5 * (highest - middle) and math.isfinite(lowest):
        raise not_susceptibility(
            f"its sign is inverted (0.5th percentile {lowest:.0f}, 99.5th {highest:.0f})",
            file,
            "multiply it by -1, so that iron (the nuclei, veins) is positive, and save it again",
        )


def check_magnitude(summary: Summary, role: str, file: str) -> None:
    """Refuses a neuromelanin or T1 volume with negative values.

    Raises:
        InputError: More than 2 % of the non-zero values are negative.
    """
    if not looks_like_magnitude(summary):
        raise InputError(
            f"{100 * summary.negative:.0f} % of its values are negative: not a {role}",
            file=file,
            expected=f"a {role} without negative values",
            remedy="if the QSM and NM files were exchanged, swap them; else choose the volume",
        )


def unusual_slices(array: NDArray[Any], file: str) -> tuple[str, ...]:
    """A motion warning: slices that resemble their second neighbours more than their first.

    Slices are acquired interleaved, so a patient who moves between the two passes leaves odd and
    even slices out of step. In a still head neighbours are always the more alike.

    Args:
        array: The volume, ``[k, j, i]``.
        file: For the message.
    """
    slices = np.asarray(array)[:, ::2, ::2]
    slices = slices[np.any(slices != 0, axis=(1, 2))].astype(np.float32)
    if len(slices) < 8:
        return ()
    slices = slices - slices.mean(axis=(1, 2), keepdims=True)
    near = np.abs(slices[1:] - slices[:-1]).mean(axis=(1, 2))
    far = np.abs(slices[2:] - slices[:-2]).mean(axis=(1, 2))
    ratio = float(np.median((near[1:] + near[:-1]) / 2 / np.maximum(far, 1e-12)))
    if ratio <= MOTION_ABOVE:
        return ()
    return (
        f"{file}: out of distribution: odd and even slices do not fit together "
        f"(ratio {ratio:.2f}), the patient may have moved",
    )


def unusual_magnitude(array: NDArray[Any], file: str) -> tuple[str, ...]:
    """Motion and shading warnings for a magnitude image ``[k, j, i]``, canonical.

    Shading is judged from the medians of tissue left and right of the middle of the head: anatomy
    is symmetric, so the two agree within a few percent in an even image.
    """
    notes = list(unusual_slices(array, file))
    thin = np.asarray(array)[:, ::2, ::2]
    inside = thin > 0.2 * np.percentile(thin, 99)
    columns = np.flatnonzero(inside.any(axis=(0, 1)))
    if columns.size > 8:
        middle = int((columns[0] + columns[-1] + 1) // 2)
        right = float(np.median(thin[..., :middle][inside[..., :middle]]))
        left = float(np.median(thin[..., middle:][inside[..., middle:]]))
        apart = abs(left - right) / (0.5 * (left + right))
        if apart > SHADING_ABOVE:
            notes.append(
                f"{file}: out of distribution: strong shading, left and right differ by "
                f"{100 * apart:.0f} %"
            )
    return tuple(notes)
