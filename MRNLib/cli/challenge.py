"""``mrn challenge``: predictions and scores of the MICCAI 2025 PDCADxFoundation challenge."""

from __future__ import annotations

import typer

group = typer.Typer(
    help="Predictions and scores in the layout of the PDCADxFoundation challenge.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.add_typer(group, name="challenge")
