"""Digital patients as files, in the challenge's layout.

The same patient gives the same bytes: the compressed stream carries neither a time nor a name.
    Every image's
header carries the phantom's mark. Files are written beside their target and moved into place.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.errors import InputError
from MRNLib.images import PHANTOM_MARK, is_phantom
from MRNLib.phantom.patient import Phantom
from MRNLib.phantom.truth import Truth

__all__ = ["CHALLENGE_DIRECTION", "identifier", "is_phantom", "write_case", "write_labels"]

CHALLENGE_DIRECTION = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
# Noise does not compress; the fastest level is as good as any.
COMPRESSION = 1
LABELS_FILE = "labels.csv"
TRUTH_FILE = "truth.json"


def identifier(seed: int) -> str:
    """The case name of a digital patient; sorts by seed."""
    return f"PHM_{seed:07d}"


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file beside its target and moves it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_volume(image: sitk.Image, path: Path) -> None:
    """Writes one marked ``.nii.gz`` whose bytes depend on the image only.

    Args:
        image: Any image; ``ITK_FileNotes`` becomes NIfTI's ``descrip``.
        path: Target ending in ``.nii.gz``.
    """
    image.SetMetaData("ITK_FileNotes", PHANTOM_MARK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".phantom-") as folder:
        plain = Path(folder) / "image.nii"
        sitk.WriteImage(image, str(plain))
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", COMPRESSION, packed, mtime=0) as stream:
            stream.write(plain.read_bytes())
    write_bytes(path, packed.getvalue())


def write_case(
    phantom: Phantom, folder: str | Path, *, reference: sitk.Image | None = None
) -> Path:
    """Writes one patient's files.

    Args:
        phantom: The patient.
        folder: The case's own folder; made if missing. Gets ``QSM.nii.gz``, ``NM.nii.gz``,
            ``T1.nii.gz`` (those that were made), ``QSM_mask.nii.gz``, ``NM_mask.nii.gz`` and
            ``truth.json``.
        reference: An image whose origin and direction the files take; by default the challenge's.

    Returns:
        The folder.
    """
    folder = Path(folder)
    arrays = {
        "QSM": phantom.qsm,
        "NM": phantom.nm,
        "T1": phantom.t1,
        "QSM_mask": phantom.qsm_mask,
        "NM_mask": phantom.nm_mask,
    }
    for name, array in arrays.items():
        if array is None:
            continue
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        image.SetSpacing(phantom.spacing)
        if reference is None:
            image.SetDirection(CHALLENGE_DIRECTION)
        else:
            image.SetDirection(reference.GetDirection())
            image.SetOrigin(reference.GetOrigin())
        write_volume(image, folder / f"{name}.nii.gz")
    text = json.dumps(asdict(phantom.truth), indent=1) + "\n"
    write_bytes(folder / TRUTH_FILE, text.encode())
    return folder


def read_labels(path: Path) -> dict[str, str]:
    """The rows of a ``labels.csv`` that this module wrote; none where there is no file.

    Raises:
        InputError: The file has other columns: it is somebody else's and stays as it is.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.reader(stream))
    if not lines or lines[0] != ["ID", "label"] or any(len(line) != 2 for line in lines):
        raise InputError(
            "The folder holds a table of diagnoses with other columns.",
            file=path,
            expected="the columns ID,label alone",
            remedy="write the digital patients to a folder of their own",
        )
    return {line[0]: line[1] for line in lines[1:]}


def write_labels(folder: Path, truths: dict[str, Truth]) -> None:
    """Adds patients to the cohort's ``labels.csv``: columns ``ID,label``, PD = 1, sorted."""
    path = folder / LABELS_FILE
    rows = read_labels(path)
    rows |= {name: str(int(truth.diagnosis == "PD")) for name, truth in truths.items()}
    text = "".join(f"{name},{label}\n" for name, label in [("ID", "label"), *sorted(rows.items())])
    write_bytes(path, text.encode())
