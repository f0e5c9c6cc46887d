"""What a patient's files say before the first voxel: where the class must not show.

Everything ahead of the voxels is taken as it lies on the disk, gzip's own header, NIfTI's header
and any extension, so that a field nobody thought of is checked too.
"""

from __future__ import annotations

import gzip
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from MRNLib.phantom.patient import Phantom
from MRNLib.phantom.write import write_case

FILES = ("QSM", "NM", "T1", "QSM_mask", "NM_mask")
# Voxels written of each volume, [k, j, i], through the middle of the deep grey matter: a header
# field that followed the content (a scale, a range) would still follow it, in a tenth of the time.
BLOCK = (slice(16, 32), slice(60, 124), slice(36, 100))
_GZIP_HEADER = 10
# Where NIfTI-1 keeps the offset of the first voxel, a float.
_VOXEL_OFFSET = 108


def file_heads(phantom: Phantom) -> dict[str, bytes]:
    """Writes a patient with the library's own writer and takes each file's head.

    Args:
        phantom: Made with all three modalities, of either region.

    Returns:
        Per file of :data:`FILES` the bytes before its voxels, followed by the volume's whole size,
        since only :data:`BLOCK` is written.
    """
    arrays = {name: getattr(phantom, name.lower()) for name in FILES}
    small = {name.lower(): array[BLOCK] for name, array in arrays.items()}
    heads = {}
    with tempfile.TemporaryDirectory() as folder:
        case = write_case(replace(phantom, **small), Path(folder) / "case")
        for name, array in arrays.items():
            packed = (case / f"{name}.nii.gz").read_bytes()
            plain = gzip.decompress(packed)
            (start,) = struct.unpack_from("<f", plain, _VOXEL_OFFSET)
            size = struct.pack("<3i", *array.shape)
            heads[name] = packed[:_GZIP_HEADER] + plain[: int(start)] + size
    return heads


def head_features(heads: Sequence[dict[str, bytes]]) -> np.ndarray:
    """Heads as numbers: [patients, bytes of all files], shorter heads filled up with -1."""
    columns = []
    for name in FILES:
        longest = max(len(head[name]) for head in heads)
        rows = np.full((len(heads), longest), -1.0)
        for row, head in zip(rows, heads, strict=True):
            row[: len(head[name])] = np.frombuffer(head[name], np.uint8)
        columns.append(rows)
    return np.concatenate(columns, axis=1)


def distinct_heads(heads: Sequence[dict[str, bytes]]) -> int:
    """How many different heads the most varied file has; 1 if all patients' files begin alike."""
    return max(len({head[name] for head in heads}) for name in FILES)
