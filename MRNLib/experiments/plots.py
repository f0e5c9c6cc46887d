"""Pictures of the tables: ROC, reliability and decision curves, bars of maskings and components.

Colours are Okabe and Ito's, which people with any colour vision tell apart; lines differ in their
dashes too. matplotlib is used through its objects only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MRNLib.experiments.bars import component_bars, masking_bars
from MRNLib.experiments.cells import (
    FULL,
    IMAGE_ORACLE,
    LATENT_ORACLE,
    MIDBRAIN_FOLDS,
    ORACLES,
    RADIOMICS,
)
from MRNLib.experiments.layout import Row, Table
from MRNLib.experiments.measuring import Measurer
from MRNLib.figures import DPI, INK, LINE, MUTED, new_figure
from MRNLib.metrics import decision_curve, reliability_curve
from MRNLib.writing import replaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILION, PURPLE, GREY = "#D55E00", "#CC79A7", "#8a97a3"
SOLID, DASHED, DOTTED, MIXED = "-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5))
# Colour and dashes by cells and variant.
STYLES: dict[tuple[tuple[str, ...], str], tuple[str, Any]] = {
    ((FULL,), ""): (BLUE, SOLID),
    (("seres10",), ""): (VERMILION, SOLID),
    (("seres10-msupmoco",), ""): (VERMILION, DASHED),
    (("mrn-d",), ""): (SKY, DASHED),
    (("m3d-clip",), ""): (PURPLE, SOLID),
    (MIDBRAIN_FOLDS[:1], ""): (YELLOW, DOTTED),
    (MIDBRAIN_FOLDS, ""): (YELLOW, SOLID),
    ((RADIOMICS,), "LR"): (GREEN, SOLID),
    ((RADIOMICS,), "SVM"): (GREEN, DASHED),
    ((RADIOMICS,), "XGBoost"): (GREEN, DOTTED),
    ((ORACLES,), IMAGE_ORACLE): (INK, DASHED),
    ((ORACLES,), LATENT_ORACLE): (INK, DOTTED),
}
# Systems whose decision curves are shown: twelve curves would be a knot.
DECIDING = (((FULL,), ""), (("seres10",), ""), (MIDBRAIN_FOLDS[:1], ""), ((RADIOMICS,), "LR"))


def write_plots(
    tables: Mapping[str, Table], measurer: Measurer, data: str, folder: Path
) -> dict[str, list[str]]:
    """Draws what the tables asked for allow.

    Args:
        tables: By number.
        measurer: Gives the figures.
        data: ``phantom`` or ``human``, written into every picture.
        folder: Where the PNG files go.

    Returns:
        Names of the files written, by their table.
    """
    label = "PHANTOM: digital patients, not people" if data == "phantom" else None
    wanted: list[tuple[str, str, Callable[..., Figure | None]]] = [
        ("roc", "systems", roc_figure),
        ("reliability", "systems", reliability_figure),
        ("decision", "systems", decision_figure),
        ("masking", "4", masking_bars),
        ("components", "2", component_bars),
    ]
    written: dict[str, list[str]] = {}
    for name, number, draw in wanted:
        figure = draw(tables[number], measurer, label) if number in tables else None
        if figure is None:
            continue
        with replaced(folder / f"{name}.png") as partial:
            figure.savefig(partial, dpi=DPI, format="png")
        written.setdefault(number, []).append(f"{name}.png")
    return written


def _shown(table: Table, measurer: Measurer) -> list[Row]:
    return [row for row in table.rows if not measurer.why_missing(row)]


def _style(row: Row) -> tuple[str, Any]:
    return STYLES.get((row.cells, row.variant), (GREY, SOLID))


def roc_figure(table: Table, measurer: Measurer, label: str | None) -> Figure | None:
    """ROC curves of all systems, the legend ordered by AUC."""
    from sklearn.metrics import roc_curve

    rows = _shown(table, measurer)
    if not rows:
        return None
    figure = new_figure(9.6, 6.4, label)
    axes = figure.add_axes((0.075, 0.13, 0.535, 0.8))
    axes.plot([0, 1], [0, 1], color=LINE, lw=1, zorder=0)
    for row in sorted(rows, key=lambda row: -measurer.figure(row, "auc")[0]):
        scored = measurer.scored(row)
        wrong, right, _ = roc_curve(scored.labels, scored.order)
        value, low, high = (100 * one for one in measurer.figure(row, "auc"))
        color, dashes = _style(row)
        width, over = (2.6, 5) if row.cells == (FULL,) else (1.5, 3)
        name = f"{_short(row)}  {value:.1f} [{low:.1f}, {high:.1f}]"
        axes.plot(wrong, right, color=color, ls=dashes, lw=width, zorder=over, label=name)
    axes.set_aspect("equal")
    _limits(axes, (-0.01, 1.01), (-0.01, 1.01))
    axes.set_xlabel("1 − specificity", fontsize=9, color=INK)
    axes.set_ylabel("sensitivity", fontsize=9, color=INK)
    axes.set_title(_title("ROC curves", measurer), fontsize=10, color=INK, loc="left")
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.03, 1.0),
        frameon=False,
        fontsize=8.5,
        handlelength=3.4,
        title="AUC in % [95 % interval]",
        title_fontsize=8.5,
    )
    return figure


def reliability_figure(table: Table, measurer: Measurer, label: str | None) -> Figure | None:
    """What came true of what was said, a panel for each system."""
    rows = [row for row in _shown(table, measurer) if row.cells != (ORACLES,)]
    if not rows:
        return None
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    width, height = 3.1 * columns + 0.5, 3.0 * lines + 0.75
    figure = new_figure(max(width, 6.8), height, label)
    for number, row in enumerate(rows):
        line, column = divmod(number, columns)
        x = (0.55 + 3.1 * column) / figure.get_figwidth()
        y = 1 - (0.62 + 2.38 + 3.0 * line) / height
        axes = figure.add_axes((x, y, 2.38 / figure.get_figwidth(), 2.38 / height))
        _reliability_panel(axes, row, measurer)
        if column == 0:
            axes.set_ylabel("share with PD", fontsize=8.5, color=INK)
        if number + columns >= len(rows):
            axes.set_xlabel("predicted probability", fontsize=8.5, color=INK)
    figure.text(
        0.55 / figure.get_figwidth(),
        1 - 0.2 / height,
        _title("Reliability before calibration; a point's area grows with its patients", measurer),
        fontsize=9.5,
        color=INK,
        va="center",
    )
    return figure


def _reliability_panel(axes: Axes, row: Row, measurer: Measurer) -> None:
    scored = measurer.scored(row)
    curve = reliability_curve(scored.labels, scored.probabilities)
    color, _ = _style(row)
    axes.plot([0, 1], [0, 1], color=LINE, lw=1, zorder=0)
    axes.plot(curve.predicted, curve.observed, color=color, lw=1.2, alpha=0.6)
    areas = 8 + 240 * curve.patients / curve.patients.sum()
    axes.scatter(
        curve.predicted, curve.observed, s=areas, color=color, lw=0.6, ec="white", zorder=3
    )
    axes.set_title(_short(row), fontsize=8.5, color=INK, pad=3)
    error = measurer.figure(row, "ece")[0]
    axes.text(0.03, 0.97, f"ECE {error:.3f}", ha="left", va="top", fontsize=8, color=MUTED)
    _limits(axes, (-0.03, 1.03), (-0.03, 1.03))


def decision_figure(table: Table, measurer: Measurer, label: str | None) -> Figure | None:
    """Net benefit over thresholds of a few systems, of treating everybody and of nobody."""
    rows = [one for one in _shown(table, measurer) if (one.cells, one.variant) in DECIDING]
    if not rows:
        return None
    figure = new_figure(8.6, 4.8, label)
    axes = figure.add_axes((0.085, 0.16, 0.56, 0.74))
    top = 0.0
    for row in rows:
        scored = measurer.scored(row)
        curve = decision_curve(scored.labels, scored.probabilities)
        color, dashes = _style(row)
        axes.plot(curve.thresholds, curve.model, color=color, ls=dashes, lw=1.8, label=_short(row))
        top = max(top, float(curve.model.max()))
    axes.plot(curve.thresholds, curve.everybody, color=GREY, lw=1.2, ls=DASHED, label="everybody")
    axes.axhline(0, color=GREY, lw=1.2, ls=DOTTED, label="nobody")
    _limits(axes, (0, 1), (-0.06, top + 0.03))
    axes.set_xlabel("threshold probability", fontsize=9, color=INK)
    axes.set_ylabel("net benefit per patient", fontsize=9, color=INK)
    axes.set_title(
        _title("Decision curves at the cohort's share of PD, not calibrated", measurer),
        fontsize=10,
        color=INK,
        loc="left",
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=8.5)
    return figure


def _short(row: Row) -> str:
    """A name that fits a legend."""
    return (
        row.labels[0]
        .replace(", fine-tuned directly", ", direct")
        .replace("Midbrain 3-D CNN", "Midbrain CNN")
        .split(" of ")[0]
        .removesuffix(" alone")
        .split(", cross")[0]
        .removesuffix(", fine-tuned")
    )


def _title(text: str, measurer: Measurer) -> str:
    return f"{text} (n = {measurer.patients})"


def _limits(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Limits, quiet spines and small ticks."""
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    quiet(axes)


def quiet(axes: Axes) -> None:
    """Small ticks and pale edges."""
    axes.tick_params(labelsize=8, length=2.5, colors=MUTED)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_edgecolor(LINE)
