"""Found figures against wanted ones, and the list of those that are missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

RULE = (
    "A figure with a standard error is missed when it lies further from the wanted one than two "
    "standard errors and half a unit of the wanted figure's last digit; what the published tables "
    "were digitised to (1 ppb, .001) is not counted in the phantoms' favour. A range is missed by "
    "any figure outside it."
)
# Values are compared in floating point.
_ROUNDING = 1e-9


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, line by line."""
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def standard_error(values: np.ndarray) -> float:
    """Of the mean of ``values``."""
    return float(np.std(values) / np.sqrt(len(values)))


@dataclass
class Verdicts:
    """Judges figures one by one and remembers the misses.

    Attributes:
        judged: How many figures were judged.
        misses: One Markdown line per missed figure.
    """

    judged: int = 0
    misses: list[str] = field(default_factory=list)

    def judge(
        self,
        name: str,
        found: float,
        wanted: float | tuple[float, float],
        *,
        digits: int,
        error: float = 0.0,
        margin: float | None = None,
        unit: str = "",
        why: str = "",
    ) -> str:
        """Judges one figure.

        Args:
            name: What it is, for the list of misses.
            found: The figure.
            wanted: What it should be: a number, or the ends of a range.
            digits: Decimals of the wanted figure.
            error: Standard error of ``found``; two of them are allowed about a number.
            margin: Allowed besides; by default half a unit of the last digit about a number,
                nothing about a range.
            unit: Said after each number.
            why: Said after a miss: its cause, where it is known.

        Returns:
            ``met``, or ``missed`` with the signed distance.
        """
        self.judged += 1
        low, high = wanted if isinstance(wanted, tuple) else (wanted, wanted)
        allowed = margin
        if allowed is None:
            allowed = 0.0 if low < high else 0.5 * 10.0**-digits
        if low == high:
            allowed += 2 * error
        gap = max(found - high, 0.0) + min(found - low, 0.0)
        if abs(gap) <= allowed + _ROUNDING:
            return "met"
        numbers = [f"{number:.{digits}f}" for number in (found, low, high)]
        text = numbers[1] if low == high else f"{numbers[1]} to {numbers[2]}"
        spread = f" +- {error:.{max(digits, 1)}f}" if error else ""
        line = f"- **{name}**: {numbers[0]}{spread} against {text}{unit}, {gap:+.{digits}f}."
        self.misses.append(f"{line} {why}".rstrip())
        return f"missed, {gap:+.{digits}f}"

    def section(self) -> list[str]:
        """What is missed, as lines of Markdown."""
        count = f"{len(self.misses)} of the {self.judged} figures below that have a wanted value"
        title = "## Wanted figures that are missed"
        lines = self.misses or ["None."]
        return [title, "", f"{count} are missed.", "", *lines, "", RULE]
