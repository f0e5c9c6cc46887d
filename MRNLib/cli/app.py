"""The commands put together, and what happens when one fails."""

from __future__ import annotations

import importlib.metadata

import typer

from MRNLib.anatomy import NOT_ATYPICAL, NOTICE
from MRNLib.cli import (
    bundle,
    challenge,
    challenge_predict,
    check,
    cohort,
    diagnose,
    evaluate,
    phantom,
)
from MRNLib.cli.run import run_app

app = typer.Typer(
    name="mrn",
    help="From a paired QSM and neuromelanin MRI examination to nucleus masks, ROIs, a Parkinson's "
    f"classification and its robustness (MRN, arXiv 2509.17566).\n\n{NOTICE} {NOT_ATYPICAL}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for commands in (
    diagnose,
    check,
    phantom,
    evaluate,
    bundle,
    cohort,
    challenge_predict,
    challenge,
):
    commands.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mrn {importlib.metadata.version('mrn-diagnosis')}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True),
) -> None:
    """Options of every command."""


def run(arguments: list[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    return run_app(app, arguments)
