"""The ``mrn`` command as the front end speaks it: options in, events out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNLib.casefiles import Case
from MRNLib.parameters import Parameters

MARK = "@mrn {"
# The command's own exit codes, MRNLib.cli.console; that module needs more than Slicer has.
EXIT_INPUT = 2
EXIT_CANCELLED = 130


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        code: Exit code; negative where a signal ended the program.
        result: The command's result event, or None.
        error: What to show a user, or None after a success.
        cancelled: The user cancelled it.
    """

    code: int
    result: dict[str, Any] | None
    error: str | None
    cancelled: bool


def arguments(
    command: str, case: Case, parameters: Parameters, out: Path | None, cancel_file: Path
) -> list[str]:
    """The command line of one run, without the program.

    Args:
        command: ``segment``, ``diagnose`` or ``check``.
        case: The files. ``segment`` makes masks, so given ones are not named to it.
        parameters: The settings; each command takes those it knows.
        out: Folder for the results; ``check`` has none.
        cancel_file: The run stops when this file appears.
    """
    files = {"qsm": case.qsm, "nm": case.nm, "t1": case.t1}
    if command != "segment":
        files |= {"qsm-mask": case.qsm_mask, "nm-mask": case.nm_mask}
    options = [f"--{name}={path}" for name, path in files.items() if path is not None]
    if command != "check":
        options.append(f"--out={out}")
    options.append(f"--name={case.identifier}")
    options += ["--progress=json", f"--cancel-file={cancel_file}"]
    return [command, *options, *parameters.to_arguments(command)]


def parse(line: str) -> dict[str, Any] | None:
    """The event in one line of output, or None; what stands before its mark is no part of it."""
    start = line.find(MARK)
    if start < 0:
        return None
    try:
        event = json.loads(line[start + len(MARK) - 1 :])
    except ValueError:
        return None
    if not isinstance(event.get("event"), str):
        return None
    if event["event"] == "progress":
        known = isinstance(event.get("fraction"), int | float) and "message" in event
        return event if known else None
    needs_text = event["event"] in ("warning", "error", "cancelled")
    return None if needs_text and not isinstance(event.get("text"), str) else event
