"""Anatomical figures of the report: overview slices and ROI montages with mask outlines.

Images are canonical (LPS) arrays ``[k, j, i]``, drawn as they lie: patient right on screen left,
anterior up. Every figure carries R and L marks and the research notice. matplotlib is used through
its objects only, so nothing global changes in a host such as Slicer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import NOTICE, SIDES, Nucleus
from MRNLib.boxes import Box
from MRNLib.report_images import View, fullest_slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE = "#1b2733", "#5d6b78", "#dfe5ea"
PD_COLOR, HC_COLOR, ALERT = "#b4472e", "#1f6f9f", "#a3261b"
MARK_COLOR = "#ffe08a"
DPI = 144
# Fewer voxels of a nucleus than this are not in a legend: they are strays.
FEWEST_SEEN = 10


def new_figure(width: float, height: float, warning: str | None) -> Figure:
    """An empty white figure with the notice (and ``warning``) along its lower edge, inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    figure = MatplotlibFigure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    # Both lines have to fit side by side on a narrow figure too.
    size, low = (7.5 if width > 8 else 6.6), 0.04 / height
    style = {"va": "bottom", "fontsize": size}
    figure.text(0.995, low, NOTICE, fontdict={**style, "ha": "right", "color": MUTED})
    if warning:
        figure.text(0.005, low, warning, fontdict={**style, "color": ALERT, "weight": "bold"})
    return figure


def rgb(nucleus: Nucleus) -> tuple[float, float, float]:
    """The nucleus's colour with channels in [0, 1]."""
    red, green, blue = (channel / 255 for channel in nucleus.color)
    return red, green, blue


PANELS = (
    ("Basal ganglia", "QSM", ("CN", "PUT", "GP", "TH")),
    ("Midbrain", "QSM", ("STN", "SN", "RN")),
    ("Cerebellum", "QSM", ("DN",)),
    ("Midbrain", "NM", ("NM-SN",)),
)
WIDTH, EDGE, GAP = 10.4, 0.03, 0.06
TITLE_BAND, FOOT_BAND = 0.3, 0.74
BAR_HEIGHT = 0.55


def overview(views: Mapping[str, View], box: Box, warning: str | None) -> Figure:
    """Four axial slices of the head: basal ganglia, midbrain and dentate on QSM, midbrain on NM.

    Args:
        views: From :func:`MRNLib.report_images.views`.
        box: The head on the grid.
        warning: A sentence drawn on the figure, or None.
    """
    tile = (WIDTH - 2 * EDGE + GAP) / len(PANELS) - GAP
    tile_height = tile * box.size[1] / box.size[0] * views["QSM"].aspect
    height = tile_height + TITLE_BAND + FOOT_BAND
    figure = new_figure(WIDTH, height, warning)
    for number, (title, modality, keys) in enumerate(PANELS):
        left = EDGE + number * (tile + GAP)
        axes = figure.add_axes(
            (left / WIDTH, FOOT_BAND / height, tile / WIDTH, tile_height / height)
        )
        k = fullest_slice(views[modality], keys)
        draw_slice(axes, views[modality], box, k)
        axes.set_title(f"{title} · {modality} · slice {k}", fontsize=9, color=INK, pad=4)
    legend(figure, EDGE, (*views["QSM"].nuclei, *views["NM"].nuclei))
    scale_bar(figure, 5.6, 1.9, views["QSM"])
    scale_bar(figure, 8.1, 1.9, views["NM"])
    return figure


def montage(view: View, box: Box, title: str, warning: str | None) -> Figure:
    """Every slice of one ROI, from inferior to superior, with the outlines of its modality.

    Args:
        view: The ROI's modality.
        box: The ROI on the grid.
        title: Drawn above.
        warning: A sentence drawn on the figure, or None.
    """
    rows_in_box, columns_in_box = box.slices[1:]
    slices = range(box.lower[2], box.upper[2])
    # At most six in a row, spread evenly; at least four, or a small ROI would fill the page.
    columns = max(4, -(-len(slices) // -(-len(slices) // (4 if len(slices) <= 8 else 6))))
    rows = -(-len(slices) // columns)
    tile = (WIDTH - 2 * EDGE + GAP) / columns - GAP
    tile_height = tile * box.size[1] / box.size[0] * view.aspect
    height = rows * (tile_height + GAP) + TITLE_BAND + FOOT_BAND
    figure = new_figure(WIDTH, height, warning)
    for number, k in enumerate(slices):
        row, column = divmod(number, columns)
        x = EDGE + column * (tile + GAP)
        y = height - TITLE_BAND - (row + 1) * tile_height - row * GAP
        axes = figure.add_axes((x / WIDTH, y / height, tile / WIDTH, tile_height / height))
        draw_slice(axes, view, box, k)
        style = {"ha": "right", "va": "top", "fontsize": 7, "color": "#e4eaef"}
        mark = axes.text(0.98, 0.97, str(k), fontdict=style, transform=axes.transAxes)
        mark.set_path_effects([_dark_edge()])
    figure.text(
        EDGE / WIDTH, 1 - 0.08 / height, title, va="top", fontsize=10, color=INK, weight="bold"
    )
    shown = view.mask[slices.start : slices.stop, rows_in_box, columns_in_box]
    legend(
        figure,
        EDGE,
        [item for item in view.nuclei if _seen(shown, item)],
    )
    scale_bar(figure, 8.1, 1.9, view)
    return figure


def _seen(shown: NDArray[Any], nucleus: Nucleus) -> bool:
    """Whether more of a nucleus is shown than stray voxels."""
    return bool(np.isin(shown, (nucleus.right, nucleus.left)).sum() >= FEWEST_SEEN)


def draw_slice(axes: Axes, view: View, box: Box, k: int) -> None:
    """One axial slice inside ``box`` with outlines and side marks."""
    rows, columns = box.slices[1:]
    axes.imshow(
        view.grey[k, rows, columns],
        cmap="gray",
        vmin=0,
        vmax=1,
        aspect=view.aspect,
        interpolation="bilinear",
    )
    labels = view.mask[k, rows, columns]
    for nucleus in view.nuclei:
        for side in SIDES:
            # One more row and column on each side: an outline leaves the view at its edge.
            inside = np.pad(labels == nucleus.label(side), 1, mode="edge").astype(float)
            if inside.any():
                x, y = np.arange(-1, labels.shape[1] + 1), np.arange(-1, labels.shape[0] + 1)
                axes.contour(x, y, inside, [0.5], colors=[rgb(nucleus)], linewidths=0.8)
    axes.set_xlim(-0.5, labels.shape[1] - 0.5)
    axes.set_ylim(labels.shape[0] - 0.5, -0.5)
    axes.set_axis_off()
    style = {"va": "center", "fontsize": 8.5, "weight": "bold", "color": MARK_COLOR}
    for x_mark, mark, side_of in ((0.02, "R", "left"), (0.98, "L", "right")):
        letter = axes.text(
            x_mark, 0.5, mark, fontdict={**style, "ha": side_of}, transform=axes.transAxes
        )
        letter.set_path_effects([_dark_edge()])


def _dark_edge() -> Any:
    """Keeps light letters readable over bright tissue."""
    from matplotlib.patheffects import withStroke

    return withStroke(linewidth=2, foreground="black")


def scale_bar(figure: Figure, left: float, width: float, view: View) -> None:
    """A horizontal grey bar with the window's limits and unit in the foot band, inches."""
    height = figure.get_figheight()
    axes = figure.add_axes((left / WIDTH, BAR_HEIGHT / height, width / WIDTH, 0.09 / height))
    low, high = view.limits
    axes.imshow(np.linspace(0, 1, 256)[None], cmap="gray", aspect="auto", extent=(low, high, 0, 1))
    axes.set_yticks([])
    ticks = (low, 0.0, 100.0, high) if low < 0 else (low, 1.0, high)
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.tick_params(labelsize=7.5, length=2, pad=1.5, colors=MUTED)
    axes.set_xlabel(view.unit, fontsize=7.5, color=MUTED, labelpad=1)
    for spine in axes.spines.values():
        spine.set_edgecolor(LINE)


def legend(figure: Figure, left: float, nuclei: Sequence[Nucleus]) -> None:
    """The outlines' colours with the nuclei's short names, in the foot band, inches."""
    from matplotlib.lines import Line2D

    y = (BAR_HEIGHT + 0.045) / figure.get_figheight()
    for item in nuclei:
        color = rgb(item)
        ends = (left / WIDTH, (left + 0.14) / WIDTH)
        figure.add_artist(Line2D(ends, (y, y), color=color, lw=3, solid_capstyle="butt"))
        figure.text((left + 0.19) / WIDTH, y, item.key, va="center", fontsize=8, color=INK)
        left += 0.36 + 0.085 * len(item.key)
