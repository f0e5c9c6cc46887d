"""Inputs that go wrong, one generator each: what is written, and what must be said about it.

``ROWS`` holds them all; the same rows are driven through the library and the command line.
"""

from __future__ import annotations

from . import broken, grids, labels, values
from .row import Row

ROWS: tuple[Row, ...] = (*values.ROWS, *grids.ROWS, *labels.ROWS, *broken.ROWS)

__all__ = ["ROWS", "Row"]
