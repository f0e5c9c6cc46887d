"""Cases to look at first: measurements far from published norms or from the rest of the cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import SIDE_NAMES
from MRNLib.cohort.report_cases import CaseRow, Cohort, Measure
from MRNLib.report_page import number, signed

# With some 60 measures a case, healthy variety passes 5 robust SDs once in 30,000 cases.
FAR_FROM_COHORT = 5.0
FAR_FROM_PUBLISHED = 3.0
# A cohort whose own median lies this far from a published mean is told so once, not case by case.
SHIFTED = 2.0
# Fewer cases have no distribution to be far from.
FEWEST = 10
# A protocol that this share of the cases has is the cohort's; others are odd.
USUAL_SHARE = 0.8
JUDGED = (
    "volume",
    "susceptibility_mean",
    "nm_contrast",
    "hyperintense_volume",
    "volume_asymmetry",
    "nm_contrast_asymmetry",
)
WORDS = {
    "volume": "volume",
    "susceptibility_mean": "susceptibility",
    "nm_contrast": "NM contrast",
    "hyperintense_volume": "hyperintense volume",
    "volume_asymmetry": "volume asymmetry",
    "susceptibility_asymmetry": "susceptibility, left minus right",
    "nm_contrast_asymmetry": "NM contrast asymmetry",
}
UNITS = {"mm3": " mm³", "ppb": " ppb", "ratio": "", "index": "", "voxels": " voxels"}
# MAD of a normal distribution over its SD.
MAD_PER_SD = 0.6744897501960817
MISSING = 1000.0


@dataclass(frozen=True)
class Oddity:
    """One thing that is odd about a case.

    Attributes:
        text: As a phrase.
        size: How far off, in SDs; what is missing comes before everything that is measured.
        measured: Whether ``size`` is a distance, or only a place in the order.
    """

    text: str
    size: float
    measured: bool = True


@dataclass(frozen=True)
class Shift:
    """A measure whose median over the cohort is far from the published mean."""

    name: str
    median: float
    published: float
    unit: str
    z: float


def robust_z(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Distance from the median in robust SDs (MAD / 0.6745); NaN where there is no value.

    Returns:
        None for fewer than :data:`FEWEST` values, or where half of them are the same.
    """
    known = values[np.isfinite(values)]
    if len(known) < FEWEST:
        return None
    middle = np.median(known)
    scale = np.median(np.abs(known - middle)) / MAD_PER_SD
    # Half the values equal, up to rounding: nothing to measure a distance by.
    return (values - middle) / scale if scale > 1e-9 * max(1.0, abs(middle)) else None


def title(measure: Measure) -> str:
    """``SN right susceptibility``."""
    nucleus, side, name = measure
    return " ".join(filter(None, (nucleus, SIDE_NAMES.get(side, ""), WORDS[name])))


def shifts(cohort: Cohort) -> list[Shift]:
    """Where the cohort as a whole is not what was published; the farthest first."""
    found = []
    for measure, z in cohort.z.items():
        known = z[np.isfinite(z)]
        if measure[2] != "susceptibility_mean" or len(known) < FEWEST:
            continue
        middle = float(np.median(known))
        if abs(middle) >= SHIFTED:
            median = float(np.nanmedian(cohort.values[measure]))
            found.append(Shift(title(measure), median, cohort.published[measure], "ppb", middle))
    return sorted(found, key=lambda one: -abs(one.z))


def oddities(cohort: Cohort) -> dict[str, list[Oddity]]:
    """What is odd about each case that has something odd, the worst case and thing first."""
    done = cohort.done
    found: list[list[Oddity]] = [[*_said(case)] for case in done]
    for measure, values in cohort.values.items():
        if measure[2] in JUDGED:
            for row, oddity in _far_from_cohort(measure, values, cohort.units[measure]):
                found[row].append(oddity)
    for measure, z in cohort.z.items():
        for row, oddity in _far_from_published(measure, z, cohort):
            found[row].append(oddity)
    for row, oddity in _other_images(done):
        found[row].append(oddity)
    named = {
        case.identifier: sorted(_once(odd), key=lambda one: -one.size)
        for case, odd in zip(done, found, strict=True)
        if odd
    }
    return dict(sorted(named.items(), key=lambda item: (-item[1][0].size, -len(item[1]), item[0])))


def _said(case: CaseRow) -> Iterator[Oddity]:
    """What the examination itself found odd: nuclei that are small, large, missing or astray."""
    for flag in case.flags:
        gone = flag.endswith(("not in the mask", "is absent", "do not overlap"))
        yield Oddity(flag, MISSING if gone else FAR_FROM_COHORT, measured=False)


def _far_from_cohort(
    measure: Measure, values: NDArray[np.float64], unit: str
) -> Iterator[tuple[int, Oddity]]:
    z = robust_z(values)
    if z is None:
        return
    middle = float(np.nanmedian(values))
    digits = 0 if unit == "mm3" else 1 if unit == "ppb" else 3
    for row in np.flatnonzero(np.abs(z) >= FAR_FROM_COHORT):
        text = (
            f"{title(measure)} {number(values[row], digits)}{UNITS[unit]} "
            f"(cohort's median {number(middle, digits)}, robust z {signed(z[row], 1)})"
        )
        yield int(row), Oddity(text, abs(float(z[row])))


def _far_from_published(
    measure: Measure, z: NDArray[np.float64], cohort: Cohort
) -> Iterator[tuple[int, Oddity]]:
    known = z[np.isfinite(z)]
    if len(known) >= FEWEST and abs(float(np.median(known))) >= SHIFTED:
        return  # said once for the cohort
    name = title(measure)
    values, side = cohort.values[measure], measure[1] != "both"
    for row in np.flatnonzero(np.abs(np.nan_to_num(z)) >= FAR_FROM_PUBLISHED):
        value = f" {number(values[row], 1)} ppb" if side else ""
        text = f"{name}{value}: published z {signed(z[row], 1)}"
        yield int(row), Oddity(text, abs(float(z[row])))


def _other_images(done: list[CaseRow]) -> Iterator[tuple[int, Oddity]]:
    """Volumes on another grid than nearly all of the cohort's."""
    if len(done) < FEWEST:
        return
    usual = {
        text
        for text, count in Counter(text for case in done for text in case.images).items()
        if count >= USUAL_SHARE * len(done)
    }
    roles = {text.split(":")[0]: text for text in usual}
    for row, case in enumerate(done):
        for text in case.images:
            if text not in usual and text.split(":")[0] in roles:
                yield row, Oddity(f"unlike the others: {text}", FAR_FROM_PUBLISHED, measured=False)


def _once(odd: list[Oddity]) -> list[Oddity]:
    return list({one.text: one for one in odd}.values())
