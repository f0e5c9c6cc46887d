"""Tables of figures in Markdown: one look for cards and reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Figure = tuple[float, float, float]

INTERVALS = (
    "95 % bootstrap intervals over patients, drawn within each class, in brackets (those of the "
    "ECE lie mostly above its value, because noise adds to it); accuracy, F1, sensitivity and "
    "specificity at .5."
)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def figure_table(rows: Mapping[str, Mapping[str, Figure]], names: Sequence[str]) -> list[str]:
    """Lines of a table of measures with intervals; a measure that a row lacks stays empty.

    Args:
        rows: Figures by what was measured and by measure.
        names: The measures, in order.
    """
    body = [
        [what, *(figure_text(one[name]) if name in one else "" for name in names)]
        for what, one in rows.items()
    ]
    return table(["", *map(measure_title, names)], body)


def measure_title(name: str) -> str:
    """A measure's name as a heading."""
    return name.upper() if name in ("auc", "f1", "ece") else name.capitalize()


def figure_text(figure: Figure) -> str:
    """A value and its interval, if it has one."""
    value, low, high = figure
    if math.isnan(low):
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
