"""Whether packages can be imported, tried in a child process so that a crash ends only that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from MRNDiagnosisLib.runners import environment

IMPORT_NAMES = {"scikit-learn": "sklearn", "PyYAML": "yaml"}
IMPORT_TIMEOUT_S = 600
# Run in a child: each module is named before it is imported, so that a crash can be put to it.
IMPORT_CHECK = """
import importlib, sys
for name in sys.argv[1:]:
    print("\\n@import", name, flush=True)
    try:
        module = importlib.import_module(name)
        if name == "torch":  # a wheel built for another numpy imports, and fails when they meet
            module.from_numpy(importlib.import_module("numpy").zeros(1))
    except BaseException as error:
        reason = str(error).partition(chr(10))[0]
        print("\\n@failed", type(error).__name__ + ": " + reason, flush=True)
print("\\n@end", flush=True)
"""


def failed_imports(
    names: Sequence[str],
    python: Sequence[str] = (sys.executable,),
    run: Callable[..., Any] = subprocess.run,
) -> dict[str, str]:
    """Which modules a child process cannot import, and why; a crash is put to its module."""
    try:
        done = _run(names, python, run)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"Python": str(error)}
    failed: dict[str, str] = {}
    name, ended = "Python", False
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "@import":
            name = rest
        elif word == "@failed":
            failed[name] = rest
        ended = ended or word == "@end"
    if not ended:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        failed[name] = f"the process ended with code {done.returncode} {last}".strip()
    return failed


def _run(names: Sequence[str], python: Sequence[str], run: Callable[..., Any]) -> Any:
    return run(
        [*python, "-c", IMPORT_CHECK, *names],
        env=os.environ | environment(os.environ),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=IMPORT_TIMEOUT_S,
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
