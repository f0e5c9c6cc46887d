"""What the probes measure, by the names that the cells and the page know it by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """What is measured.

    Attributes:
        key: Its name in a cell.
        title: Its name for people, with its unit.
        digits: After the point.
        higher: Whether more is better.
        pooled: One number without patients, so that there is no interval over them.
        squares: A share of variance explained: of some patients together 1 less what is left of
            their squares over all of them, no mean of patients' own.
    """

    key: str
    title: str
    digits: int
    higher: bool = False
    pooled: bool = False
    squares: bool = False

    @property
    def block(self) -> str:
        """Where it stands in a cell's result."""
        return "pooled" if self.pooled else "squares" if self.squares else "patients"


OUTLINES = (
    Measure("linear_dice", "linear Dice", 3, True),
    Measure("linear_training_dice", "on its training patients", 3, True, pooled=True),
    Measure("dpt_dice", "DPT Dice", 3, True),
    Measure("dpt_training_dice", "on its training patients", 3, True, pooled=True),
)


def _places(key: str, centre: str, turn: str, digits: int) -> tuple[Measure, ...]:
    """Errors of places, read by the two ways."""
    return tuple(
        Measure(f"{key}_{way}_{part}", f"{title}, {way}", more)
        for part, title, more in (
            ("mm", f"{centre} (mm)", digits),
            ("degrees", f"{turn} (°)", digits),
            ("log_scale", "log-scale", 3),
        )
        for way in ("ridge", "network")
    )


ABSOLUTE = _places("absolute", "centre", "orientation", 1)
RELATIVE = _places("relative", "translation", "rotation", 2)
EXPLAINED = tuple(
    Measure(f"relative_{way}_{part}_r2", f"R² of {title}, {way}", 3, True, squares=True)
    for part, title in (("mm", "translation"), ("degrees", "rotation"), ("log_scale", "log-scale"))
    for way in ("ridge", "network")
)
PLANE = (
    Measure("plane_accuracy", "accuracy", 3, True),
    Measure("plane_balanced_accuracy", "balanced accuracy", 3, True, pooled=True),
)
MEASURES = (*OUTLINES, *ABSOLUTE, *EXPLAINED, *RELATIVE, *PLANE)
