"""What crops hold, as a few digits: crops cut again are the same only if these are the same.

The rule goes by the arrays that a crop file keeps: each one's name, checksum and size, which the
file's own directory (a ZIP archive's) lists too. Compression and times of writing have no say.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Name in the file, CRC-32 and length in bytes of one array.
Member = tuple[str, int, int]


def members(arrays: Mapping[str, NDArray[Any]]) -> list[Member]:
    """What ``numpy.savez`` would list of some arrays."""
    return [_member(f"{name}.npy", array) for name, array in arrays.items()]


def _member(name: str, array: NDArray[Any]) -> Member:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    content = stream.getbuffer()
    return name, zlib.crc32(content), len(content)


def fingerprint(files: Iterable[tuple[str, Iterable[Member]]]) -> str:
    """SHA-256 over crop files, given as their names and members, in order."""
    digest = hashlib.sha256()
    for name, found in files:
        digest.update(repr((name, sorted(found))).encode())
    return digest.hexdigest()
