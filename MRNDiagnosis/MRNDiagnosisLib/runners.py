"""Starting the ``mrn`` program beside the front end, and ending it with all its children."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

OnLine = Callable[[str], None]
OnEnd = Callable[[int], None]
WINDOWS = os.name == "nt"


class Process(Protocol):
    """A started program."""

    def kill_tree(self) -> None:
        """Ends the program and everything it started; without effect once it has ended."""

    def wait(self, timeout: float) -> None:
        """Waits until the program has ended, at most ``timeout`` seconds."""


class Runner(Protocol):
    """What starts the program; tests and other front ends bring their own."""

    def launch(self, args: Sequence[str], on_line: OnLine, on_end: OnEnd) -> Process:
        """Starts ``mrn`` with ``args`` and returns at once.

        Args:
            args: Command and options, without the program.
            on_line: Called with each line of standard output and error, in order.
            on_end: Called once with the exit code, after the last line.

        Raises:
            OSError: The program cannot be started.
        """


class ProcessRunner:
    """Plain subprocess and a reading thread, on which the callbacks are called.

    Args:
        program: What ``args`` are appended to; this Python's ``mrn`` by default.
    """

    def __init__(self, program: Sequence[str] = (sys.executable, "-m", "MRNLib")) -> None:
        self._program = tuple(program)

    def launch(self, args: Sequence[str], on_line: OnLine, on_end: OnEnd) -> Process:
        """See :class:`Runner`."""
        started = subprocess.Popen(
            [*self._program, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=os.environ | environment(os.environ),
            start_new_session=not WINDOWS,
        )

        def follow() -> None:
            try:
                with started:
                    for line in started.stdout or ():
                        on_line(line.rstrip())
            finally:
                on_end(started.returncode)

        threading.Thread(target=follow, name="mrn", daemon=True).start()
        return _Group(started)


class SlicerRunner:
    """Slicer's own non-blocking launch: callbacks come on the main thread."""

    def launch(self, args: Sequence[str], on_line: OnLine, on_end: OnEnd) -> Process:
        """See :class:`Runner`."""
        import slicer.util

        program = shutil.which("PythonSlicer")
        if program is None:
            raise FileNotFoundError(2, "Slicer's Python program was not found", "PythonSlicer")
        started = slicer.util.launchConsoleProcess(
            [program, "-m", "MRNLib", *args],
            useStartupEnvironment=False,
            updateEnvironment=environment(os.environ),
            blocking=False,
            logCallback=on_line,
            completedCallback=on_end,
        )
        return _Tree(started)


def environment(current: Mapping[str, str]) -> dict[str, str]:
    """Variables with which a child finds the same MRNLib and writes text that can be read back."""
    import MRNLib

    paths = [str(Path(MRNLib.__file__).resolve().parent.parent), current.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }


class _Group:
    """A process that leads a process group of its own."""

    def __init__(self, started: subprocess.Popen[str]) -> None:
        self._started = started

    def kill_tree(self) -> None:
        """See :class:`Process`."""
        if WINDOWS:
            _taskkill(self._started.pid)
            return
        # The group outlives its leader for as long as a child runs in it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started.pid, signal.SIGKILL)

    def wait(self, timeout: float) -> None:
        """See :class:`Process`."""
        with suppress(subprocess.TimeoutExpired):
            self._started.wait(timeout)


class _Tree:
    """A process in somebody else's group: its descendants have to be looked up."""

    def __init__(self, started: subprocess.Popen[str]) -> None:
        self._started = started

    def kill_tree(self) -> None:
        """See :class:`Process`."""
        if self._started.poll() is not None:
            return
        if WINDOWS:
            _taskkill(self._started.pid)
        else:
            kill_descendants(self._started.pid)

    def wait(self, timeout: float) -> None:
        """See :class:`Process`."""
        with suppress(subprocess.TimeoutExpired):
            self._started.wait(timeout)


def _taskkill(pid: int) -> None:
    hidden: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
    command = ["taskkill", "/T", "/F", "/PID", str(pid)]
    subprocess.run(command, capture_output=True, check=False, **hidden)


def kill_descendants(pid: int) -> None:
    """Kills a process and all that descend from it (POSIX).

    Each is stopped before its children are looked up, so that none is started meanwhile and none
    loses the parent by which it is found.
    """
    found: list[int] = []
    fresh = [pid]
    while fresh:
        for process in fresh:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGSTOP)
        found += fresh
        parents = _parents()
        fresh = [child for child, above in parents.items() if above in found and child not in found]
    for process in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def _parents() -> dict[int, int]:
    """The parent of every process: from ``/proc`` where there is one, else from ``ps``."""
    return _parents_in_proc() if Path("/proc/self/stat").exists() else _parents_by_ps()


def _parents_in_proc() -> dict[int, int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            # "pid (name) state parent ...", and the name may hold anything
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            parents[int(entry.parent.name)] = int(fields[1])
    return parents


def _parents_by_ps() -> dict[int, int]:
    command = ["ps", "-A", "-o", "pid=,ppid="]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return {int(pid): int(parent) for pid, parent in map(str.split, said.splitlines())}
