"""What was computed before, kept by content: ROI tokens and masks of earlier runs.

An entry's key is a hash of everything that went into it (voxels, weights, preprocessing,
precision), so an entry is never stale. The folder holds data derived from a patient; who sets it
decides how long it stays.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.writing import replaced

# Kept in memory: the masks of a few cases, or many thousand tokens. Older ones go.
MEMORY_BYTES = 64 * 2**20


def content_key(*parts: Any) -> str:
    """SHA-256 over arrays (dtype, shape and values) and JSON values, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()


class ArrayCache:
    """Arrays by key: the latest in memory, all as ``.npy`` files in ``folder`` if one is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._memory: dict[str, NDArray[Any]] = {}
        self._bytes = 0

    def get(self, key: str) -> NDArray[Any] | None:
        """The array kept under ``key``, or None; an unreadable file counts as none."""
        if key in self._memory:
            return self._remember(key, self._memory[key])
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return self._remember(key, array)

    def put(self, key: str, array: NDArray[Any]) -> None:
        """Keeps ``array``; on disk it is written whole or not at all."""
        self._remember(key, array)
        path = self._path(key)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced(path) as partial, partial.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)

    def forget(self) -> None:
        """Lets go of what is in memory; the folder keeps what it has."""
        self._memory.clear()
        self._bytes = 0

    def _remember(self, key: str, array: NDArray[Any]) -> NDArray[Any]:
        """Puts ``array`` last, and lets the first ones go until the others fit."""
        self._forget(key)
        self._memory[key] = array
        self._bytes += array.nbytes
        while self._bytes > MEMORY_BYTES:
            self._forget(next(iter(self._memory)))
        return array

    def _forget(self, key: str) -> None:
        if key in self._memory:
            self._bytes -= self._memory.pop(key).nbytes

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.npy"
