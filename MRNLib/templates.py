"""What the HTML pages are filled by: templates in which nothing that is missing goes unseen."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE_FOLDER = Path(__file__).parent / "resources"


def environment() -> Environment:
    """Of the templates; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embedded(figures: Mapping[str, bytes]) -> dict[str, str]:
    """PNG files as addresses that hold them whole, so that a page needs nothing else."""
    return {
        name: "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        for name, data in figures.items()
    }
