"""What SimpleITK does not say about a NIfTI file: whether it is whole, how sheared its axes are.

ITK reads a truncated NIfTI file without a word, turns NaN into 0, and refuses headers with the
slightest shear. Header fields are those of the NIfTI-1 standard (348 bytes); NIfTI-2 files are left
to ITK.
"""

from __future__ import annotations

import gzip
import math
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib.errors import InputError
from MRNLib.geometry import REPAIRABLE_SHEAR, nearest_rotation, shear, sheared

HEADER_BYTES = 348
FLOATS = {16: "f4", 64: "f8"}
_SFORM = slice(280, 328)
_BLOCK = 1 << 22


def is_nifti(path: Path) -> bool:
    """Whether the file's name says NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _byte_order(header: bytes) -> str | None:
    for order in ("<", ">"):
        if (
            len(header) >= HEADER_BYTES
            and struct.unpack_from(f"{order}i", header)[0] == HEADER_BYTES
        ):
            return order
    return None


@dataclass(frozen=True)
class _Layout:
    """Where the voxels start, how many bytes they take, and their type if it is a float."""

    offset: int
    count: int
    floats: np.dtype[Any] | None


def _layout(header: bytes) -> _Layout | None:
    """The layout a NIfTI-1 header describes, or None when this is no such header."""
    order = _byte_order(header)
    if order is None:
        return None
    dims = struct.unpack_from(f"{order}8h", header, 40)
    datatype, bits = struct.unpack_from(f"{order}2h", header, 70)
    offset = struct.unpack_from(f"{order}f", header, 108)[0]
    if not 1 <= dims[0] <= 7 or not math.isfinite(offset) or offset < HEADER_BYTES:
        return None
    count = math.prod(max(n, 1) for n in dims[1 : dims[0] + 1]) * bits // 8
    kind = FLOATS.get(datatype)
    return _Layout(int(offset), count, None if kind is None else np.dtype(f"{order}{kind}"))


def scan(path: Path) -> NDArray[np.int64]:
    """Reads a NIfTI file through, refuses one that is not whole, and finds its NaN and infinities.

    Returns:
        The places of voxels that are no numbers, counted in the file's order (i fastest).

    Raises:
        InputError: The file ends too early or its compressed data are damaged.
    """
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            header = stream.read(HEADER_BYTES)
            layout = _layout(header)
            if layout is None:
                while stream.read(_BLOCK):
                    pass  # to the end, for the checksum of the compressed data
                return np.empty(0, np.int64)
            stream.read(layout.offset - HEADER_BYTES)
            count, places = _scan_voxels(stream, layout.floats)
    except (EOFError, zlib.error) as error:
        raise _damaged(path, "the compressed data end too early or are damaged") from error
    except gzip.BadGzipFile as error:
        raise _damaged(path, "it is not a gzip file although its name ends in .gz") from error
    if count < layout.count:
        raise _damaged(path, f"it holds {count} of {layout.count} bytes of voxels")
    return places


def _scan_voxels(stream: Any, floats: np.dtype[Any] | None) -> tuple[int, NDArray[np.int64]]:
    """Bytes left in the stream, and the places of values among them that are not finite."""
    count, places = 0, [np.empty(0, np.int64)]
    while block := stream.read(_BLOCK):
        if floats is not None:
            numbers = np.frombuffer(
                block[: len(block) // floats.itemsize * floats.itemsize], floats
            )
            bad = np.flatnonzero(~np.isfinite(numbers))
            if bad.size:
                places.append(bad + count // floats.itemsize)
        count += len(block)
    return count, np.concatenate(places)


def _damaged(path: Path, what: str) -> InputError:
    return InputError(
        f"the file is damaged: {what}",
        file=path,
        expected="a whole NIfTI file",
        remedy="copy or export it again",
    )


def read_repaired(path: Path) -> tuple[sitk.Image, tuple[str, ...]]:
    """Reads a file that ITK refuses for its axes, after putting them at right angles.

    The voxels are the file's own; only the header's affine is replaced, in a temporary copy.

    Raises:
        InputError: The shear is 1e-3 or more.
    """
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as stream:
        data = bytearray(stream.read())
    order = _byte_order(bytes(data[:HEADER_BYTES]))
    if order is None:
        raise sheared(math.nan, str(path))
    affine = np.frombuffer(bytes(data[_SFORM]), f"{order}f4").reshape(3, 4).astype(np.float64)
    axes = affine[:, :3]
    if not np.isfinite(affine).all() or not np.linalg.norm(axes, axis=0).all():
        raise sheared(math.nan, str(path))
    amount = shear(axes)
    if amount >= REPAIRABLE_SHEAR:
        raise sheared(amount, str(path))
    data[_SFORM] = _upright(affine).astype(f"{order}f4").tobytes()
    with tempfile.TemporaryDirectory(prefix="mrn-") as folder:
        copy = Path(folder) / "repaired.nii"
        copy.write_bytes(data)
        image = sitk.ReadImage(str(copy))
    return image, (f"{path}: a shear of {amount:.1g} in the header was repaired",)


def _upright(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    repaired = affine.copy()
    repaired[:, :3] = nearest_rotation(affine[:, :3] / spacing) * spacing
    return repaired
