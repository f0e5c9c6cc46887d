"""The label-efficiency curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from MRNLib.figures import DPI, INK, LINE, MUTED, new_figure
from MRNLib.navigation.measuring.labelstatistics import ENCODERS, LabelResults
from MRNLib.navigation.measuring.pretrainedarms import NAVIGATION_ENCODER, RANDOM_ENCODER
from MRNLib.writing import replaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, and dashes and marks besides.
STYLES: dict[str, tuple[str, Any, str]] = {
    RANDOM_ENCODER: ("#5d6b78", (0, (1, 1.4)), "o"),
    "static": ("#E69F00", (0, (5, 2)), "s"),
    "tokenizer": ("#009E73", (0, (5, 1.5, 1, 1.5)), "^"),
    NAVIGATION_ENCODER: ("#0072B2", "-", "D"),
}
# How far apart encoders stand at one number of labels, as a factor.
APART = 1.045
PHANTOM = "PHANTOM: digital patients, not people"


def write_curve(results: Mapping[str, LabelResults], path: Path) -> None:
    """Draws the curves into a PNG file."""
    figure = curve(results)
    with replaced(path) as partial:
        figure.savefig(partial, dpi=DPI, format="png")


def curve(results: Mapping[str, LabelResults]) -> Figure:
    """AUC over the number of labels: means over seeds with their intervals, seeds as dots.

    Args:
        results: By what is behind the encoder, a panel each.
    """
    from matplotlib.ticker import PercentFormatter

    first = next(iter(results.values()))
    figure = new_figure(10.4, 4.6, PHANTOM if first.data == "phantom" else None)
    panels = figure.subplots(1, len(results), sharey=True)
    figure.subplots_adjust(0.06, 0.16, 0.76, 0.9, wspace=0.06)
    for axes, (name, one) in zip(panels, results.items(), strict=True):
        _panel(axes, one, f"{name} ({one.patients} test patients)")
    panels[0].set_ylabel("AUC (%)", fontsize=9, color=INK)
    panels[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    panels[-1].legend(
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        fontsize=8.5,
        title="frozen encoder",
        title_fontsize=8.5,
        handlelength=3.2,
    )
    explained = "lines: means over seeds\nbars: 95 % over test patients"
    if max(len(row.margins) for row in first.rows.values()) > 1:
        explained += "\ndots: single seeds"
    panels[-1].text(
        1.05, 0.5, explained, transform=panels[-1].transAxes, fontsize=8, color=MUTED, va="center"
    )
    return figure


def _panel(axes: Axes, results: LabelResults, title: str) -> None:
    encoders = results.encoders
    for place, name in enumerate(encoders):
        _line(axes, results, name, APART ** (place - (len(encoders) - 1) / 2))
    axes.axhline(0.5, color=LINE, lw=1, zorder=0)
    axes.set_xscale("log")
    axes.set_xticks(results.sizes, [str(size) for size in results.sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(results.sizes[0] / 1.25, results.sizes[-1] * 1.25)
    axes.set_xlabel("labelled patients", fontsize=9, color=INK)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.tick_params(labelsize=8, length=2.5, colors=MUTED)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_edgecolor(LINE)


def _line(axes: Axes, results: LabelResults, name: str, shift: float) -> None:
    color, dashes, mark = STYLES[name]
    rows = {
        size: results.rows[name, size] for size in results.sizes if (name, size) in results.rows
    }
    places = np.array(list(rows)) * shift
    figures = [row.figure for row in rows.values()]
    value, low, high = np.array([(one.value, *(one.interval or ())) for one in figures]).T
    axes.errorbar(
        places,
        value,
        yerr=[value - low, high - value],
        color=color,
        ls=dashes,
        marker=mark,
        ms=5,
        lw=1.6,
        elinewidth=1,
        capsize=2,
        label=ENCODERS[name],
    )
    for place, one in zip(places, figures, strict=True):
        axes.scatter([place] * len(one.seeds), one.seeds, color=color, s=9, alpha=0.45, lw=0)
