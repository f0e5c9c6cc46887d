"""Running a typer program so that what a user can cause ends with its text alone."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT, Talk
from MRNLib.errors import Cancelled, MrnError

# What a script says that takes up its own work again.
GOES_ON = "Stopped; the same command goes on."


def exit_code(work: Callable[[], Any], stopped: str = "Cancelled.") -> int:
    """Runs ``work`` and says what a user caused in plain text.

    Args:
        work: What to do; a returned number is the exit code.
        stopped: What is said after Ctrl-C or a cancel.

    Returns:
        0, what ``work`` returned, 2 for unusable input, or 130 after a cancel.
    """
    Talk.current = None  # of an earlier command in this process
    try:
        result = work()
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        Talk.fail("cancelled", stopped)
        return EXIT_CANCELLED
    except MrnError as error:
        Talk.fail("error", str(error))
        return EXIT_INPUT
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        Talk.fail("error", f"{where}{error.strerror or error}")
        return EXIT_INPUT
    except Exception as error:
        # click's usage errors know how to show themselves; anything else is a defect and is raised.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", EXIT_INPUT))
    return result if isinstance(result, int) else 0


def run_app(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Runs one command line of a typer program; see :func:`exit_code`."""
    return exit_code(lambda: app(args=arguments, standalone_mode=False))


def run_script(command: Callable[..., Any]) -> None:
    """Runs a script of one command and exits."""
    warnings.simplefilter("ignore")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    sys.exit(run_app(app))
