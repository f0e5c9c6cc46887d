"""Charts of the report: the folds' probabilities and what masking and box jitter do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from MRNLib.anatomy import ROI_NAMES
from MRNLib.figures import ALERT, HC_COLOR, INK, LINE, MUTED, PD_COLOR, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from MRNLib.examination import Examination

ABSTAIN_COLOR = "#eceff2"
NEUTRAL = "#8a97a3"


def side_color(examination: Examination, probability: float) -> str:
    """The colour of a probability's side of .5; grey where the number has no meaning."""
    if examination.demonstration:
        return NEUTRAL
    return PD_COLOR if probability >= 0.5 else HC_COLOR


def lighter(color: str) -> tuple[float, ...]:
    """``color`` mixed with white, opaque so that a band behind it does not tint it."""
    from matplotlib.colors import to_rgb

    return tuple(0.4 * channel + 0.6 for channel in to_rgb(color))


def probability_chart(examination: Examination, warning: str | None) -> Figure:
    """Each fold as a dot, their mean with its spread, and the band of no decision."""
    figure = new_figure(5.6, 1.9, warning)
    axes = figure.add_axes((0.03, 0.4, 0.94, 0.46))
    _scale(axes, examination)
    values = np.array([fold.probability_pd for fold in examination.folds])
    axes.plot(
        values, np.full(values.size, 0.34), "o", ms=6, mfc="white", mec=INK, mew=1.1, zorder=3
    )
    mean = examination.probability_pd
    low, high = max(0.0, mean - examination.spread), min(1.0, mean + examination.spread)
    color = side_color(examination, mean)
    axes.plot([low, high], [0.74, 0.74], color=color, lw=2.4, solid_capstyle="round", zorder=2)
    axes.plot(mean, 0.74, "D", ms=7, color=color, zorder=3)
    axes.set_ylim(0, 1)
    band = examination.calibration
    label = f"undecided {band.abstain_low:.2f}-{band.abstain_high:.2f}"
    if band.abstain_high > band.abstain_low:
        middle = (band.abstain_low + band.abstain_high) / 2
        axes.text(middle, 1.03, label, ha="center", va="bottom", fontsize=7, color=MUTED)
    axes.text(0, 1.03, "healthy control", ha="left", va="bottom", fontsize=8, color=HC_COLOR)
    axes.text(1, 1.03, "Parkinson's disease", ha="right", va="bottom", fontsize=8, color=PD_COLOR)
    axes.set_xlabel(
        "probability of PD    ◆ mean ± SD of the folds    ○ one fold",
        fontsize=7.5,
        color=MUTED,
        labelpad=2,
    )
    return figure


def masking_chart(examination: Examination, warning: str | None) -> Figure:
    """The 16 ROI maskings in Table 4's order: which ROIs, the probability, its change, flips."""
    rows = examination.masking
    figure = new_figure(10.4, 0.27 * len(rows) + 0.98, warning)
    height = figure.get_figheight()
    bottom, share = 0.62 / height, 0.27 * len(rows) / height
    dots = figure.add_axes((0.01, bottom, 0.2, share))
    bars = figure.add_axes((0.22, bottom, 0.55, share), sharey=dots)
    texts = figure.add_axes((0.78, bottom, 0.21, share), sharey=dots)
    masked_dots(dots, [row.masked for row in rows])
    _scale(bars, examination)
    base = examination.probability_pd
    for y, row in enumerate(rows):
        color = side_color(examination, row.probability_pd)
        bars.barh(y, row.probability_pd, height=0.62, color=color if y == 0 else lighter(color))
        change = f"{row.change:+.2f}".replace("-", "−") if y else ""
        texts.text(0.22, y, f"{row.probability_pd:.2f}", ha="right", va="center", fontsize=8.5)
        texts.text(0.5, y, change, ha="right", va="center", fontsize=8.5, color=MUTED)
        if row.flips:
            style = {"ha": "left", "va": "center", "size": 8.5, "color": ALERT, "weight": "bold"}
            texts.text(0.58, y, "flips", fontdict=style)
    bars.axvline(base, color=INK, lw=1)
    bars.set_xlabel("probability of PD", fontsize=8, color=MUTED, labelpad=2)
    texts.set_axis_off()
    texts.set_xlim(0, 1)
    for x, name in ((0.22, "P(PD)"), (0.5, "change")):
        texts.text(x, -0.9, name, ha="right", va="center", fontsize=8, color=MUTED)
    dots.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def jitter_chart(examination: Examination, warning: str | None) -> Figure:
    """The probability after the ROI boxes were moved, one row per distance."""
    rows = examination.jitter
    figure = new_figure(10.4, 0.32 * len(rows) + 0.72, warning)
    height = figure.get_figheight()
    axes = figure.add_axes((0.22, 0.62 / height, 0.55, 0.32 * len(rows) / height))
    _scale(axes, examination)
    for y, row in enumerate(rows):
        plural = "" if row.voxels == 1 else "s"
        axes.text(-0.03, y, f"{row.voxels} voxel{plural}", ha="right", va="center", fontsize=8.5)
        axes.plot([row.minimum, row.maximum], [y, y], color=NEUTRAL, lw=2)
        for value in row.probabilities:
            axes.plot(value, y, "o", ms=5, mfc="white", mec=side_color(examination, value))
        text = f"{row.minimum:.2f} to {row.maximum:.2f}"
        flips = f"  flips {row.flips} of {len(row.probabilities)}" if row.flips else ""
        axes.text(1.03, y, text + flips, va="center", fontsize=8.5, color=ALERT if flips else INK)
    axes.axvline(examination.probability_pd, color=INK, lw=1)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("probability of PD with the boxes moved", fontsize=8, color=MUTED, labelpad=2)
    return figure


def _scale(axes: Axes, examination: Examination) -> None:
    """A 0-to-1 axis with the abstain band and the line at .5."""
    band = examination.calibration
    axes.axvspan(band.abstain_low, band.abstain_high, color=ABSTAIN_COLOR, lw=0, zorder=0)
    axes.axvline(0.5, color=NEUTRAL, lw=0.8, ls=(0, (3, 3)), zorder=1)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    axes.tick_params(axis="x", labelsize=7.5, length=2, pad=1.5, colors=MUTED)
    axes.tick_params(axis="y", left=False, labelleft=False)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_edgecolor(LINE)


def masked_dots(axes: Axes, rows: list[tuple[str, ...]]) -> None:
    """A column per ROI; an open ring where a row masks it, a filled dot where the model saw it."""
    for x, name in enumerate(ROI_NAMES):
        axes.text(x, -0.9, name, ha="center", va="center", fontsize=8, color=INK)
        for y, masked in enumerate(rows):
            hidden = name in masked
            face, edge = ("white", NEUTRAL) if hidden else (INK, INK)
            axes.plot(x, y, "o", ms=6.5, mfc=face, mec=edge, mew=1)
    axes.set_xlim(-0.6, len(ROI_NAMES) - 0.4)
    axes.set_axis_off()
    axes.text(
        1.5, len(rows) - 0.1, "● seen   ○ masked", ha="center", va="top", fontsize=7.5, color=MUTED
    )
