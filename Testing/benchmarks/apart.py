"""What benchmarks share that measure each path in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CPU_THREADS = (1, 2)


def numbers_of_threads(options: argparse.Namespace) -> tuple[int, ...]:
    """With how many threads to measure, one after another."""
    if options.threads:
        return (options.threads,)
    return CPU_THREADS if options.device == "cpu" else CPU_THREADS[:1]


def measured_apart(path: str, threads: int) -> dict[str, Any]:
    """One path's figures, from a process of its own with this command's options."""
    command = [sys.executable, *sys.argv, f"--only={path}", f"--threads={threads}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def write_results(file: Path | None, results: Sequence[dict[str, Any]]) -> None:
    """Writes figures and the command that made them, where a file is asked for."""
    if file is not None:
        text = json.dumps({"command": sys.argv, "results": results}, indent=2)
        file.write_text(text + "\n", encoding="utf-8")
