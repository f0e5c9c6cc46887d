"""Folders of patient data that must not outlive the program that made them."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

# What a run writes, and what becomes of it, in folders that name the process they belong to.
NAME = re.compile(r"mrn-(?:session|job|demo)-(\d+)-")
# Seconds that a program which was ended may take to let go of its files.
PATIENCE = 2.0


def new_folder(kind: str, place: str | Path | None = None) -> Path:
    """A new folder of this process.

    Args:
        kind: ``session``, ``job`` or ``demo``.
        place: Where; the system's temporary folder without one.
    """
    return Path(tempfile.mkdtemp(prefix=f"mrn-{kind}-{os.getpid()}-", dir=place))


def remove(folder: Path, patience: float = PATIENCE) -> None:
    """Removes a folder; Windows keeps what a program that is just ending has open."""
    limit = time.monotonic() + patience
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and time.monotonic() < limit:
        time.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)


def sweep(places: Iterable[str | Path]) -> None:
    """Removes what processes left behind that ended without the chance to do it themselves."""
    for place in {Path(place) for place in places}:
        for folder in place.glob("mrn-*"):
            found = NAME.match(folder.name)
            if found and not alive(int(found[1])):
                shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    """Whether there is such a process; that of another user counts."""
    if sys.platform == "win32":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _alive_on_windows(pid: int) -> bool:
    """There, ``os.kill`` would end it."""
    if sys.platform != "win32":
        return True
    import ctypes

    synchronize, no_such_process, timed_out = 0x00100000, 87, 0x102
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return ctypes.get_last_error() != no_such_process
    try:
        return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == timed_out)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
