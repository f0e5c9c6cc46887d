"""Charts of the cohort's page: probabilities, maskings; in the look of a case's report.

Controls and patients have the colours of the other reports; a cohort without labels is grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import MASKINGS, ROI_NAMES
from MRNLib.charts import ABSTAIN_COLOR, NEUTRAL, lighter, masked_dots
from MRNLib.cohort.report_cases import Cohort
from MRNLib.figures import HC_COLOR, INK, LINE, MUTED, PD_COLOR, new_figure
from MRNLib.report_page import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
COLORS = {"HC": HC_COLOR, "PD": PD_COLOR, "": NEUTRAL}
NAMES = {"HC": "healthy controls", "PD": "Parkinson's disease", "": "no label"}
# Up to so many cases of a group each is drawn; more are a histogram or a box.
DOTS = 150
BINS = 40


def group_names(cohort: Cohort) -> dict[str, str]:
    """The groups' names with their numbers of cases; ``all cases`` where none has a label."""
    groups = cohort.groups
    names = NAMES if groups.keys() - {""} else {"": "all cases"}
    return {group: f"{names[group]} ({counted(inside.sum())})" for group, inside in groups.items()}


def probability_figure(cohort: Cohort, warning: str | None) -> Figure:
    """P(PD) of every case, a line for each group, over the abstain band."""
    groups, names = cohort.groups, group_names(cohort)
    each = 1.15
    figure = new_figure(10.4, each * len(groups) + 0.95, warning)
    height = figure.get_figheight()
    for number, (group, inside) in enumerate(groups.items()):
        bottom = height - 0.3 - each * (number + 1)
        axes = figure.add_axes((0.17, bottom / height, 0.81, (each - 0.12) / height))
        last = number == len(groups) - 1
        _probability_axis(axes, cohort.band, last, number == 0)
        _distribution(axes, cohort.probabilities[inside], COLORS[group])
        axes.text(
            -0.02,
            0.45,
            names[group].replace(" (", "\n("),
            transform=axes.transAxes,
            ha="right",
            va="center",
            fontsize=9,
            color=COLORS[group] if group else INK,
        )
    axes.set_xlabel("probability of PD (mean of the folds)", fontsize=8.5, color=MUTED, labelpad=2)
    return figure


def _probability_axis(
    axes: Axes, band: tuple[float, float] | None, last: bool, first: bool
) -> None:
    if band:
        axes.axvspan(*band, color=ABSTAIN_COLOR, lw=0, zorder=0)
        if first:
            text = f"undecided {band[0]:.2f}-{band[1]:.2f}"
            style = {"ha": "center", "va": "bottom", "fontsize": 7.5, "color": MUTED}
            place = axes.get_xaxis_transform()
            axes.text(sum(band) / 2, 1.03, text, fontdict=style, transform=place)
    axes.axvline(0.5, color=NEUTRAL, lw=0.8, ls=(0, (3, 3)), zorder=1)
    axes.set_xlim(-0.01, 1.01)
    plain(axes)
    axes.set_yticks([])
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1") if last else [""] * 5)


def _distribution(axes: Axes, values: Array, color: str) -> None:
    """Stacked dots of few cases in the bins of a histogram, a histogram of many."""
    place = np.minimum((values * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    if len(values) > DOTS:
        edges = np.arange(BINS) / BINS
        axes.bar(edges, counts, 1 / BINS, align="edge", color=lighter(color), ec=color, lw=0.6)
        axes.set_ylim(0, counts.max() * 1.25)
        style = {"ha": "right", "va": "top", "fontsize": 7.5, "color": MUTED}
        text = f"highest bar {counted(counts.max())} cases"
        axes.text(1, 1.0, text, fontdict=style, transform=axes.transAxes)
        return
    heights = np.concatenate([np.arange(count) for count in counts])
    middles = (np.repeat(np.arange(BINS), counts) + 0.5) / BINS
    axes.plot(middles, heights, "o", ms=6, mfc=lighter(color), mec=color, mew=1, zorder=3)
    axes.set_ylim(-0.8, max(6.0, float(counts.max()) + 0.5))


def masking_figure(cohort: Cohort, warning: str | None) -> Figure | None:
    """How often each ROI masking gives another answer, and how far it moves the probability."""
    rows = [case for case in cohort.done if len(case.flips) == len(MASKINGS)]
    if not rows:
        return None
    flips = np.array([case.flips for case in rows])[:, 1:]
    changes = np.array([case.changes for case in rows])[:, 1:]
    count = len(MASKINGS) - 1
    figure = new_figure(10.4, 0.27 * count + 1.15, warning)
    height = figure.get_figheight()
    bottom, share = 0.68 / height, 0.27 * count / height
    dots = figure.add_axes((0.01, bottom, 0.2, share))
    bars = figure.add_axes((0.22, bottom, 0.3, share), sharey=dots)
    moves = figure.add_axes((0.61, bottom, 0.37, share), sharey=dots)
    masked_dots(dots, [*MASKINGS[1:]])
    shares = 100 * flips.mean(axis=0)
    bars.barh(range(count), shares, height=0.62, color=lighter(INK))
    for y, value in enumerate(shares):
        bars.text(value + 1.5, y, f"{value:.0f} %", va="center", fontsize=8.5, color=INK)
    bars.set_xlim(0, 112)
    bars.set_xticks((0, 25, 50, 75, 100))
    bars.set_xlabel(
        f"cases of {counted(len(rows))} with another answer, %", fontsize=8, color=MUTED
    )
    low, first, middle, third, high = np.percentile(changes, [5, 25, 50, 75, 95], axis=0)
    moves.hlines(range(count), low, high, color=NEUTRAL, lw=1)
    moves.hlines(range(count), first, third, color=NEUTRAL, lw=6)
    moves.plot(middle, range(count), "|", color=INK, ms=9, mew=2)
    moves.axvline(0, color=INK, lw=0.8)
    moves.set_xlim(-1, 1)
    moves.set_xticks((-1, -0.5, 0, 0.5, 1), ("−1", "−.5", "0", "+.5", "+1"))
    text = "change of the probability: median, quartiles, 5th to 95th percentile"
    moves.set_xlabel(text, fontsize=8, color=MUTED)
    for axes in (bars, moves):
        plain(axes)
        axes.tick_params(axis="y", left=False, labelleft=False)
    dots.set_ylim(count - 0.5, -0.5)
    dots.set_xlim(-0.6, len(ROI_NAMES) - 0.4)
    return figure


def plain(axes: Axes) -> None:
    """Only the lower axis, in muted ink."""
    axes.tick_params(labelsize=7.5, length=2, pad=1.5, colors=MUTED)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_edgecolor(LINE)
