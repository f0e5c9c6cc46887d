"""A journey to look at: a strip of its slices (PNG) and an animation (GIF)."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from MRNLib.navigation.journey import Journey
from MRNLib.navigation.poses import LOG_SCALE, ROTATION, TRANSLATION
from MRNLib.navigation.volumes import BACKGROUND
from MRNLib.training.checkpoint import written_or_told
from MRNLib.writing import replaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

ROWS = ("true", "drawn", "difference")
# What a row is called; "drawn" changes where prediction begins, which the strip marks.
ROW_WORDS = {
    "true": "true",
    "drawn": "drawn from\nlatents",
    "difference": "drawn\nless true",
}
# Percentiles of the tissue along a path that are black and white in its pictures.
WINDOW = (0.5, 99.5)
TILE, LEFT, HEAD, FOOT, GAP = 1.15, 0.95, 0.58, 0.45, 0.04  # inches
LINE = 0.13  # of the words above a slice
LEAST = 5.8  # of a strip's width, for its legend
BREAK = 0.16  # between the slices that are given and those that are not
FRAME_MILLISECONDS = 900


def action_words(action: Sequence[float]) -> str:
    """An action ``[7]`` (mm, radians, log-scale) in a few words, such as ``+3.2 mm`` or ``8°``."""
    values = torch.as_tensor(action, dtype=torch.float64)
    across, along = values[TRANSLATION][:2].norm().item(), values[TRANSLATION][2].item()
    turn = math.degrees(values[ROTATION].norm().item())
    zoom = math.exp(-values[LOG_SCALE].item())
    words = []
    if across >= 0.05:
        words.append(f"{math.hypot(across, along):.1f} mm")
    elif abs(along) >= 0.05:
        words.append(f"{along:+.1f} mm")
    if turn >= 0.5:
        words.append(f"{turn:.0f}°")
    if abs(zoom - 1) >= 0.005:
        words.append(f"×{zoom:.2f}")
    return "\n".join(words) or "stays"


def window(journey: Journey) -> tuple[float, float]:
    """Grey values that are black and white, for all slices of a journey, true and drawn."""
    tissue = journey.true[journey.true > BACKGROUND]
    if not len(tissue):
        return 0.0, 1.0
    low, high = torch.quantile(tissue, tissue.new_tensor(WINDOW) / 100).tolist()
    return (low, high) if high - low > 0.01 else (0.0, 1.0)


def strip(journey: Journey) -> Figure:
    """All slices of a journey: true above drawn above their difference, actions on top."""
    from MRNLib.figures import INK, MUTED, new_figure

    columns = len(journey)
    width = max(LEFT + columns * (TILE + GAP) + BREAK + GAP, LEAST)
    words = [_leading_words(journey, column) for column in range(columns)]
    lines = 1 + max(one.count("\n") for one in words)
    height = HEAD + lines * LINE + len(ROWS) * (TILE + GAP) + FOOT
    lefts = [
        LEFT + column * (TILE + GAP) + BREAK * (column >= journey.known)
        for column in range(columns)
    ]
    figure = new_figure(width, height, journey.warning)
    figure.text(0.1 / width, 1 - 0.08 / height, journey.title, va="top", color=INK, fontsize=10)
    for left, said in ((lefts[0], "given"), (lefts[journey.known], "predicted")):
        figure.text(left / width, 1 - 0.32 / height, said, va="top", color=INK, fontsize=9)
    figure.add_artist(_upright((lefts[journey.known] - (BREAK + GAP) / 2) / width, height))
    for row, name in enumerate(ROWS):
        bottom = FOOT + (len(ROWS) - 1 - row) * (TILE + GAP)
        middle = (bottom + TILE / 2) / height
        figure.text(0.1 / width, middle, ROW_WORDS[name], va="center", color=INK, fontsize=9)
        for column, left in enumerate(lefts):
            axes = figure.add_axes((left / width, bottom / height, TILE / width, TILE / height))
            _draw(axes, journey, name, column)
            if row == 0:
                axes.set_title(words[column], fontsize=7, color=MUTED, pad=2)
    figure.text(0.5, 0.24 / height, _legend(journey), ha="center", color=MUTED, fontsize=7)
    return figure


def animation(journey: Journey) -> list[Figure]:
    """One figure a slice: true, drawn, difference, and the action that led there."""
    from MRNLib.figures import INK, MUTED, new_figure

    tile, gap, foot, head = 2.3, 0.06, 0.5, 0.78
    width, height = len(ROWS) * (tile + gap) + gap, foot + tile + head
    figures = []
    for column in range(len(journey)):
        figure = new_figure(width, height, journey.warning)
        words = _leading_words(journey, column).replace("\n", ", ")
        state = "given" if column < journey.known else "predicted"
        said = f"{column + 1}/{len(journey)} {state}: {words}"
        figure.text(0.1 / width, 1 - 0.08 / height, journey.title, va="top", color=INK, fontsize=9)
        figure.text(0.1 / width, 1 - 0.3 / height, said, va="top", color=MUTED, fontsize=9)
        for place, name in enumerate(ROWS):
            left = gap + place * (tile + gap)
            axes = figure.add_axes((left / width, foot / height, tile / width, tile / height))
            _draw(axes, journey, name, column)
            axes.set_title(ROW_WORDS[name].replace("\n", " "), fontsize=8, color=INK, pad=2)
        figure.text(0.5, 0.26 / height, _legend(journey), ha="center", color=MUTED, fontsize=7)
        figures.append(figure)
    return figures


def write_journey(journey: Journey, folder: Path) -> list[Path]:
    """Writes ``strip.png`` and ``path.gif``; returns their paths.

    Raises:
        InputError: A file cannot be written.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    still, moving = folder / "strip.png", folder / "path.gif"
    with written_or_told(still), replaced(still) as partial:
        strip(journey).savefig(partial)
    pages = []
    for figure in animation(journey):
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        pages.append(Image.open(stream).convert("P", palette=Image.Palette.ADAPTIVE))
    with written_or_told(moving), replaced(moving) as partial:
        pages[0].save(
            partial, save_all=True, append_images=pages[1:], duration=FRAME_MILLISECONDS, loop=0
        )
    return [still, moving]


def _leading_words(journey: Journey, column: int) -> str:
    """What was done to come to a slice."""
    if column:
        return action_words(journey.actions[column - 1].tolist())
    return f"{journey.width_mm:.0f} mm wide"


def _legend(journey: Journey) -> str:
    low, high = window(journey)
    return (
        f"grey values {low:.2f} (black) to {high:.2f} (white); difference: "
        f"red is drawn brighter than it is, blue darker, full colour at {high - low:.2f}"
    )


def _upright(place: float, height: float) -> Line2D:
    """A line from the lowest row to the headings, at a share of a figure's width."""
    from matplotlib.lines import Line2D

    from MRNLib.figures import MUTED

    ends = [FOOT / height, 1 - 0.32 / height]
    return Line2D([place, place], ends, linewidth=0.8, color=MUTED)


def _draw(axes: Axes, journey: Journey, row: str, column: int) -> None:
    axes.axis("off")
    true, drawn = journey.true[column], journey.predicted[column]
    low, high = window(journey)
    if row == "difference":
        shown = (drawn - true).numpy()
        axes.imshow(shown, cmap="RdBu_r", vmin=low - high, vmax=high - low)
        return
    shown = (true if row == "true" else drawn).numpy()
    axes.imshow(shown, cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
    if row == "true":
        _mark(axes, journey.edges[column])


def _mark(axes: Axes, edges: tuple[str, str]) -> None:
    """The patient's sides at the left and the upper edge, readable on black and on white."""
    from matplotlib.patheffects import withStroke

    from MRNLib.figures import MARK_COLOR

    style: dict[str, Any] = {
        "color": MARK_COLOR,
        "fontsize": 8,
        "weight": "bold",
        "transform": axes.transAxes,
        "path_effects": [withStroke(linewidth=1.6, foreground="black")],
    }
    left, up = edges
    axes.text(0.03, 0.5, left, va="center", ha="left", **style)
    axes.text(0.5, 0.97, up, va="top", ha="center", **style)
