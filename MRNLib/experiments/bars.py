"""Bar charts of Tables 2 and 4: which parts a row has, its AUC, and the paper's beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from MRNLib.experiments.cells import FULL, ORACLES, latent_variant
from MRNLib.experiments.layout import Row, Table
from MRNLib.experiments.measuring import Measurer
from MRNLib.figures import INK, LINE, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR, REFERENCE, PAPER = "#56B4E9", "#0072B2", "#D55E00"
CHANCE = 50.0  # bars start here: an AUC has no zero
ROW_INCHES, FOOT_INCHES, HEAD_INCHES = 0.3, 0.95, 0.62


def masking_bars(table: Table, measurer: Measurer, label: str | None) -> Figure | None:
    """Table 4: AUC under each masking, with the latent oracle's where there is one."""
    return _bars(table, measurer, label, "AUC with ROIs masked", ("● seen", "○ masked"))


def component_bars(table: Table, measurer: Measurer, label: str | None) -> Figure | None:
    """Table 2: AUC of each combination of components."""
    return _bars(table, measurer, label, "AUC by components", ("● with", "○ without"))


def _bars(
    table: Table, measurer: Measurer, label: str | None, title: str, meaning: tuple[str, str]
) -> Figure | None:
    rows = [row for row in table.rows if not measurer.why_missing(row)]
    if not rows:
        return None
    height = ROW_INCHES * len(rows) + FOOT_INCHES + HEAD_INCHES
    figure = new_figure(9.6, height, label)
    place = (FOOT_INCHES / height, ROW_INCHES * len(rows) / height)
    share = 0.055 * len(table.columns)
    dots = figure.add_axes((0.015, place[0], share, place[1]))
    bars = figure.add_axes((0.035 + share, place[0], 0.78 - share, place[1]), sharey=dots)
    texts = figure.add_axes((0.83, place[0], 0.16, place[1]), sharey=dots)
    _dots(dots, table, rows, meaning)
    _values(bars, texts, table, rows, measurer)
    dots.set_ylim(len(rows) - 0.5, -0.5)
    figure.text(
        0.015, 1 - 0.2 / height, f"{title} (n = {measurer.patients})", fontsize=10, color=INK
    )
    return figure


def _dots(axes: Axes, table: Table, rows: list[Row], meaning: tuple[str, str]) -> None:
    """A column for each component or ROI: filled where the row has it."""
    for x, name in enumerate(table.columns):
        size = 8 if len(name) <= 5 else 6.8
        axes.text(x, -0.8, name, ha="center", va="center", fontsize=size, color=INK)
        for y, row in enumerate(rows):
            there = bool(row.labels[x]) != table.latent  # a masking's labels are crosses
            face = INK if there else "white"
            axes.plot(x, y, "o", ms=6.5, mfc=face, mec=INK if there else MUTED, mew=1)
    axes.set_xlim(-0.6, len(table.columns) - 0.4)
    axes.set_axis_off()
    middle = (len(table.columns) - 1) / 2
    text = "   ".join(meaning)
    axes.text(middle, len(rows) - 0.15, text, ha="center", va="top", fontsize=7.5, color=MUTED)


def _values(bars: Axes, texts: Axes, table: Table, rows: list[Row], measurer: Measurer) -> None:
    latent = table.latent and ORACLES in measurer.results
    for y, row in enumerate(rows):
        value, low, high = (100 * one for one in measurer.figure(row, "auc"))
        full = row.cells == (FULL,) and not row.variant
        color = REFERENCE if full else BAR
        bars.barh(y, value - CHANCE, left=CHANCE, height=0.62, color=color)
        bars.plot([low, high], [y, y], color=INK, lw=1.3, solid_capstyle="butt", zorder=3)
        if row.paper is not None and row.paper.auc is not None:
            bars.plot(row.paper.auc, y, "D", ms=5.5, mfc="white", mec=PAPER, mew=1.4, zorder=4)
        if latent:
            oracle = Row((), (ORACLES,), variant=latent_variant(row.variant))
            best = 100 * measurer.figure(oracle, "auc")[0]
            bars.plot([best, best], [y - 0.36, y + 0.36], color=INK, lw=2, ls=(0, (1, 0.8)))
        text = f"{value:.1f} [{low:.1f}, {high:.1f}]"
        texts.text(0, y, text, ha="left", va="center", fontsize=8, color=INK)
    bars.axvline(CHANCE, color=MUTED, lw=0.8)
    lowest = min(measurer.figure(row, "auc")[1] for row in rows)
    paper = [row.paper.auc for row in rows if row.paper is not None and row.paper.auc is not None]
    start = np.floor(min([100 * lowest, 45.0, *paper]) / 10) * 10
    bars.set_xlim(float(start), 100)
    bars.tick_params(axis="x", labelsize=8, length=2.5, colors=MUTED)
    bars.tick_params(axis="y", left=False, labelleft=False)
    for name, spine in bars.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_edgecolor(LINE)
    keys = ["bar: ours, from chance", "line: 95 % interval", "◇ the paper's, other patients"]
    keys += ["dotted: latent oracle"] if latent else []
    bars.set_xlabel("AUC in %   (" + "   ".join(keys) + ")", fontsize=8, color=MUTED)
    texts.set_xlim(0, 1)
    texts.set_axis_off()
