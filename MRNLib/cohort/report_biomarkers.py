"""The chart of biomarkers by group: boxes, and dots where the cases are few enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from MRNLib.charts import ABSTAIN_COLOR, lighter
from MRNLib.cohort.report_cases import Cohort
from MRNLib.cohort.report_charts import COLORS, DOTS, group_names, plain
from MRNLib.cohort.report_groups import (
    ASYMMETRY,
    NEUROMELANIN,
    SHOWN,
    SUSCEPTIBILITY,
    VOLUME,
    Shown,
    column,
    published,
)
from MRNLib.figures import INK, LINE, new_figure
from MRNLib.norms import SPREAD_PPB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
JITTER_SEED = 0


def biomarker_figure(cohort: Cohort, warning: str | None) -> Figure | None:
    """Volumes, susceptibility, neuromelanin and asymmetry of all cases, by group."""
    if not any(np.isfinite(column(cohort, shown)).any() for shown in SHOWN):
        return None
    figure = new_figure(10.4, 8.9, warning)
    chapters = {
        VOLUME: ("Volume, % of the published mean", (0.07, 0.735, 0.915, 0.205)),
        SUSCEPTIBILITY: ("Susceptibility, ppb", (0.07, 0.425, 0.915, 0.24)),
        NEUROMELANIN: ("NM contrast ratio", (0.07, 0.125, 0.25, 0.225)),
        ASYMMETRY: ("Asymmetry without its sign", (0.4, 0.125, 0.585, 0.225)),
    }
    for chapter, (title, place) in chapters.items():
        axes = figure.add_axes(place)
        items = [one for one in SHOWN if one.chapter == chapter and "hyper" not in one.name]
        items = [one for one in items if chapter != VOLUME or published(cohort, one)]
        _boxes(axes, cohort, items, relative=chapter == VOLUME)
        axes.set_title(title, fontsize=9.5, color=INK, loc="left", pad=5)
    _legend(figure, cohort)
    return figure


def _boxes(axes: Axes, cohort: Cohort, items: Sequence[Shown], relative: bool) -> None:
    """A box, or a strip of dots with one, for each group and biomarker, and the published mean."""
    rng = np.random.default_rng(JITTER_SEED)
    groups = cohort.groups
    width = 0.72 / len(groups)
    for x, shown in enumerate(items):
        norm = published(cohort, shown)
        values = column(cohort, shown)
        if relative and norm:
            values, norm = 100 * values / norm, 100.0
        for number, (group, inside) in enumerate(groups.items()):
            known = values[inside & np.isfinite(values)]
            middle = x + (number - (len(groups) - 1) / 2) * width
            _box(axes, known, middle, width, COLORS[group], rng)
        if norm is not None:
            spread = 0.0 if relative else SPREAD_PPB.get(shown.nucleus, 0.0)
            axes.hlines(norm, x - 0.43, x + 0.43, color=INK, lw=1.1, zorder=4)
            if spread:
                low, high = norm - spread, norm + spread
                axes.fill_between((x - 0.43, x + 0.43), low, high, color=ABSTAIN_COLOR, lw=0)
    axes.set_xlim(-0.55, len(items) - 0.45)
    axes.set_xticks(range(len(items)), [one.title.removesuffix(" contrast") for one in items])
    if len(items) and items[0].chapter == ASYMMETRY:
        axes.set_xticks(range(len(items)), [one.title.replace(" ", "\n", 1) for one in items])
        axes.set_ylim(bottom=0)
    plain(axes)
    axes.spines["left"].set_visible(True)
    axes.tick_params(axis="x", labelsize=8.5, colors=INK, length=0)
    axes.grid(axis="y", color=LINE, lw=0.5)
    axes.set_axisbelow(True)


def _box(
    axes: Axes, values: Array, x: float, width: float, color: str, rng: np.random.Generator
) -> None:
    if not len(values):
        return
    if len(values) <= DOTS:
        moved = x + rng.uniform(-0.28, 0.28, len(values)) * width
        axes.plot(moved, values, "o", ms=2.4, color=lighter(color), mec="none", zorder=2)
    low, first, middle, third, high = np.percentile(values, [2.5, 25, 50, 75, 97.5])
    if len(values) > 2:
        axes.vlines((x, x), (low, third), (first, high), color=color, lw=1, zorder=3)
        box = (x - 0.3 * width, x + 0.3 * width, x + 0.3 * width, x - 0.3 * width)
        filled = len(values) > DOTS
        axes.fill(
            box,
            (first, first, third, third),
            fc=lighter(color) if filled else "none",
            ec=color,
            lw=1,
            zorder=3,
        )
    axes.hlines(middle, x - 0.3 * width, x + 0.3 * width, color=color, lw=2.2, zorder=4)


def _legend(figure: Figure, cohort: Cohort) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = [
        Patch(fc=lighter(COLORS[group]), ec=COLORS[group], label=name)
        for group, name in group_names(cohort).items()
    ]
    handles.append(Line2D([], [], color=INK, lw=1.2, label="published mean"))
    handles.append(Patch(fc=ABSTAIN_COLOR, label="± published SD between people"))
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.06, 0.03),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        handlelength=1.4,
        columnspacing=1.6,
    )
