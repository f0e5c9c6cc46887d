"""One process at work in a folder: a locked file, which the system lets go of when its holder ends.

A lock lasts as long as its descriptor is open in this process or in one that inherited it, so that
a kill leaves none behind. Windows and file systems without locks do without.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from MRNLib.errors import InputError

LOCK = ".lock"


def locked(path: Path, who: str) -> int | None:
    """Locks a file, made if missing; returns its descriptor, None where there are no locks.

    Args:
        path: The file, in the folder that it stands for.
        who: What else could have locked it, such as "another training".

    Raises:
        InputError: Another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        return None
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise InputError(
                f"{who} is at work in this folder, or still saves what it stopped",
                file=path.parent,
                remedy="wait for it, or use another --out folder",
            ) from error
        except OSError:  # a file system without locks
            os.close(descriptor)
            return None
        if _leads_to(path, descriptor):
            return descriptor
        os.close(descriptor)  # its holder removed it between the two calls


def released(path: Path, descriptor: int) -> None:
    """Unlocks the file and removes it, while nobody else can have it."""
    with contextlib.suppress(OSError):  # one that stays is no lock
        path.unlink(missing_ok=True)
    os.close(descriptor)


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
