"""Groups of a cohort against each other: medians with intervals, rank tests, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MRNLib.anatomy import NUCLEI, QSM_NUCLEI
from MRNLib.biomarkers import NM_SN, SNPC
from MRNLib.cohort.report_cases import Cohort
from MRNLib.metrics import FEWEST

Interval = tuple[float, float, float]
Array = NDArray[np.float64]
DRAWS = 4000


@dataclass(frozen=True)
class Shown:
    """One biomarker of the page: a nucleus's mean of both sides, or its asymmetry without sign.

    Attributes:
        chapter: Under which heading.
        nucleus: Whose.
        name: The biomarker's name in the examination.
        title: For people.
        unit: For people.
        digits: Behind the point.
    """

    chapter: str
    nucleus: str
    name: str
    title: str
    unit: str
    digits: int

    @property
    def asymmetry(self) -> bool:
        """Whether it compares the sides."""
        return self.name.endswith("_asymmetry")


VOLUME, SUSCEPTIBILITY = "Volume", "Susceptibility"
NEUROMELANIN, ASYMMETRY = "Neuromelanin", "Asymmetry"
SHOWN: tuple[Shown, ...] = (
    *(Shown(VOLUME, one.key, "volume", one.key, "mm³", 0) for one in NUCLEI),
    Shown(VOLUME, SNPC, "volume", SNPC, "mm³", 0),
    *(
        Shown(SUSCEPTIBILITY, one.key, "susceptibility_mean", one.key, "ppb", 1)
        for one in QSM_NUCLEI
    ),
    Shown(SUSCEPTIBILITY, SNPC, "susceptibility_mean", SNPC, "ppb", 1),
    Shown(NEUROMELANIN, NM_SN, "nm_contrast", f"{NM_SN} contrast", "ratio", 3),
    Shown(NEUROMELANIN, SNPC, "nm_contrast", f"{SNPC} contrast", "ratio", 3),
    Shown(NEUROMELANIN, NM_SN, "hyperintense_volume", f"{NM_SN} hyperintense", "mm³", 0),
    Shown(ASYMMETRY, "SN", "volume_asymmetry", "SN volume", "index", 3),
    Shown(ASYMMETRY, "SN", "susceptibility_asymmetry", "SN susceptibility", "index", 3),
    Shown(ASYMMETRY, NM_SN, "volume_asymmetry", f"{NM_SN} volume", "index", 3),
    Shown(ASYMMETRY, NM_SN, "nm_contrast_asymmetry", f"{NM_SN} contrast", "index", 3),
    Shown(ASYMMETRY, NM_SN, "hyperintense_volume_asymmetry", f"{NM_SN} hyperintense", "index", 3),
)


@dataclass(frozen=True)
class Comparison:
    """HC against PD in one biomarker.

    Attributes:
        counts: Cases of each group with a value.
        medians: Of HC and PD, each with its 95 % bootstrap interval.
        difference: Median of PD minus median of HC, with its interval.
        area: Chance that a case with PD lies above one without: the rank test's statistic.
        p: Two-sided, of the Mann-Whitney test.
        corrected: ``p`` after Holm, over all biomarkers of the page.
    """

    shown: Shown
    counts: tuple[int, int]
    medians: tuple[Interval, Interval]
    difference: Interval
    area: float
    p: float
    corrected: float


def column(cohort: Cohort, shown: Shown) -> Array:
    """A biomarker of the page for every done case ``[done]``; NaN where a side is missing."""
    missing = np.full(len(cohort.done), np.nan)
    if shown.asymmetry:
        return np.abs(cohort.values.get((shown.nucleus, "both", shown.name), missing))
    sides = [cohort.values.get((shown.nucleus, side, shown.name), missing) for side in "RL"]
    return (sides[0] + sides[1]) / 2


def published(cohort: Cohort, shown: Shown) -> float | None:
    """The published mean that :func:`column` is set against; none for an asymmetry's size."""
    if shown.asymmetry:
        return None
    sides = [cohort.published.get((shown.nucleus, side, shown.name)) for side in "RL"]
    return None if None in sides else sum(one for one in sides if one is not None) / 2


def compare(cohort: Cohort) -> list[Comparison]:
    """HC against PD in every biomarker that enough cases of both have."""
    from scipy.stats import mannwhitneyu

    groups = cohort.groups
    if not {"HC", "PD"} <= groups.keys():
        return []
    found = []
    for shown in SHOWN:
        values = column(cohort, shown)
        hc, pd = (values[groups[group] & np.isfinite(values)] for group in ("HC", "PD"))
        if min(len(hc), len(pd)) < FEWEST:
            continue
        test = mannwhitneyu(pd, hc, alternative="two-sided")
        area = float(test.statistic) / (len(hc) * len(pd))
        drawn = [drawn_medians(one, seed) for seed, one in enumerate((hc, pd))]
        middles = [float(np.median(one)) for one in (hc, pd)]
        medians = tuple(_interval(one, draws) for one, draws in zip(middles, drawn, strict=True))
        difference = _interval(middles[1] - middles[0], drawn[1] - drawn[0])
        found.append((shown, (len(hc), len(pd)), medians, difference, area, float(test.pvalue)))
    corrected = holm([one[-1] for one in found])
    return [Comparison(*one, p) for one, p in zip(found, corrected, strict=True)]  # type: ignore[arg-type]


def _interval(value: float, draws: Array) -> Interval:
    low, high = np.percentile(draws, [2.5, 97.5])
    return value, float(low), float(high)


def drawn_medians(values: ArrayLike, seed: int = 0, draws: int = DRAWS) -> Array:
    """Medians of bootstrap samples, without drawing the samples.

    A sample of n values drawn with replacement is n uniform numbers that pick from the sorted
    values; its median is picked by the middle ones of the sorted uniform numbers, whose
    distribution is known (Beta; David & Nagaraja, Order Statistics, section 2.3). So ten thousand
    cases cost as little as ten.

    Args:
        values: Finite numbers, at least one.
        seed: Of the draws.
        draws: How many.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    rng = np.random.default_rng(seed)
    lower = (n + 1) // 2  # 1-based; of an even number the lower of the middle two
    first = rng.beta(lower, n - lower + 1, draws)
    middle = ordered[_picked(first, n)]
    if n % 2:
        return middle
    # The next of the n - lower numbers above the first: the smallest of as many uniform ones.
    second = first + (1 - first) * rng.beta(1, n - lower, draws)
    return (middle + ordered[_picked(second, n)]) / 2


def _picked(uniform: Array, n: int) -> NDArray[np.int64]:
    return np.minimum((uniform * n).astype(np.int64), n - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scand J Stat 1979, 6, 65); scipy has only that of the FDR."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()
