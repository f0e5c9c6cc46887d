"""Running a typer program so that what a user can cause ends with its text alone."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer
from rich.markup import escape

from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT, Talk
from MRNLib.errors import Cancelled, MrnError

# What a script says that takes up its own work again.
GOES_ON = "Stopped; the same command goes on."


def exit_code(work: Callable[[], Any], stopped: str = "Cancelled.", speaks: bool = True) -> int:
    """Runs ``work`` and says what a user caused in plain text.

    Args:
        work: What to do; a returned number is the exit code.
        stopped: What is said after Ctrl-C or a cancel.
        speaks: Whether this process does: of several that work together, one. What is wrong is
            wrong for all of them, so the others give the code alone; errors of the system, which
            may be one process's own, are raised there.

    Returns:
        0, what ``work`` returned, 2 for unusable input, or 130 after a cancel.
    """
    Talk.current = None  # of an earlier command in this process
    try:
        result = work()
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        result = EXIT_CANCELLED
    except MrnError as error:
        if speaks:
            Talk.fail("error", str(error))
        return EXIT_INPUT
    except OSError as error:
        if not speaks:
            raise
        where = f"{error.filename}: " if error.filename else ""
        Talk.fail("error", f"{where}{error.strerror or error}")
        return EXIT_INPUT
    except Exception as error:
        # click's usage errors know how to show themselves; anything else is a defect and is raised.
        show = getattr(error, "show", None)
        if show is None:
            raise
        if speaks:
            show()
        return int(getattr(error, "exit_code", EXIT_INPUT))
    if result == EXIT_CANCELLED and speaks:  # typer too makes this number of Ctrl-C
        Talk.fail("cancelled", stopped)
    return result if isinstance(result, int) else 0


def run_app(
    app: typer.Typer,
    arguments: list[str] | None = None,
    stopped: str = "Cancelled.",
    speaks: bool = True,
) -> int:
    """Runs one command line of a typer program; see :func:`exit_code`.

    A command finds the words of its command line in ``context.obj``.
    """
    words = sys.argv[1:] if arguments is None else arguments
    _let_help_flow(app)
    return exit_code(lambda: app(args=words, obj=words, standalone_mode=False), stopped, speaks)


def script_app(command: Callable[..., Any], description: str | None) -> typer.Typer:
    """The program of a script with one command.

    Args:
        command: The command.
        description: The script's docstring, which ``--help`` shows.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(help=_flowing(description))(command)
    return app


def script_group(description: str | None) -> typer.Typer:
    """The program of a script with several commands, which are added to it.

    Args:
        description: The script's docstring, which ``--help`` shows.
    """
    return typer.Typer(
        help=_flowing(description),
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )


def _let_help_flow(app: typer.Typer) -> None:
    """Commands whose help is their docstring: its lines are broken for 100 columns."""
    for command in app.registered_commands:
        if command.help is None and command.callback is not None:
            command.help = _flowing(inspect.getdoc(command.callback))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _let_help_flow(group.typer_instance)


def _flowing(description: str | None) -> str:
    """A docstring as help: paragraphs flow, and those with indented lines, the examples, do not."""
    paragraphs = (description or "").strip().split("\n\n")
    shown = [one if "\n " in f"\n{one}" else one.replace("\n", " ") for one in paragraphs]
    return escape("\n\n".join(shown))


def run_script(
    app: typer.Typer,
    arguments: list[str] | None = None,
    stopped: str = "Cancelled.",
    speaks: bool = True,
) -> int:
    """Runs a script's command line, ``sys.argv`` by default; see :func:`exit_code`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries', about one another
        return run_app(app, arguments, stopped, speaks)
