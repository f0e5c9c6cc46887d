"""One case of the challenge: its predictions read and compared with the truth.

Whatever is wrong with a file is a sentence of the case's result, never an exception, so that one
case cannot stop the others; what can be compared of the case is compared all the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib import files, geometry
from MRNLib.anatomy import LABEL_COUNT
from MRNLib.casefiles import named_file
from MRNLib.challenge.layout import PD_FILE, PROBABILITY_FILE, prediction_name, truth_name
from MRNLib.challenge.measures import Agreement, agreements
from MRNLib.challenge.regions import STRUCTURES, Structure
from MRNLib.errors import InputError
from MRNLib.images import is_phantom
from MRNLib.masks import whole_labels


@dataclass(frozen=True)
class Job:
    """What is to be compared of one case.

    Attributes:
        identifier: The case.
        truth: Folder with its true masks.
        predicted: Folder with its predictions; it need not exist.
        modalities: Those whose masks are compared.
        diagnosis: 0 or 1 if the case's diagnosis is scored, else None.
    """

    identifier: str
    truth: Path
    predicted: Path
    modalities: tuple[str, ...]
    diagnosis: int | None


@dataclass(frozen=True)
class Classified:
    """A case's diagnosis, predicted and true: 0 healthy, 1 PD.

    Attributes:
        identifier: The case.
        truth: From the table of labels.
        predicted: From ``PD_pred.txt``.
        probability: From ``PD_prob.txt``, None without that file.
    """

    identifier: str
    truth: int
    predicted: int
    probability: float | None


@dataclass(frozen=True)
class CaseResult:
    """All that came of one case.

    Attributes:
        identifier: The case.
        measured: By modality, the agreement of each of its structures in their order.
        empty: Structures without a voxel, as sentences.
        classified: Its diagnosis, if it was asked for and is there.
        problems: What kept parts of it from being scored.
        phantom: Whether a true mask is marked as a digital patient's.
    """

    identifier: str
    measured: dict[str, tuple[Agreement, ...]]
    empty: tuple[str, ...]
    classified: Classified | None
    problems: tuple[str, ...]
    phantom: bool = False

    @property
    def problem(self) -> str:
        """The problems in one line, empty if there are none."""
        return "; ".join(self.problems)


def compare(job: Job) -> CaseResult:
    """Reads and compares one case."""
    measured: dict[str, tuple[Agreement, ...]] = {}
    empty: list[str] = []
    problems: list[str] = []
    classified = None
    if not job.predicted.is_dir():
        problem = f"no prediction, there is no folder {job.predicted}"
        return CaseResult(job.identifier, {}, (), None, (problem,))
    for modality in job.modalities:
        try:
            measured[modality], notes = _compare_masks(job, modality)
            empty += notes
        except InputError as error:
            problems.append(one_line(error))
    if job.diagnosis is not None:
        try:
            vote, probability = read_vote(job.predicted), read_probability(job.predicted)
            classified = Classified(job.identifier, job.diagnosis, vote, probability)
        except InputError as error:
            problems.append(one_line(error))
    phantom = any(_marked(job.truth, truth_name(modality)) for modality in measured)
    return CaseResult(job.identifier, measured, tuple(empty), classified, tuple(problems), phantom)


def one_line(error: InputError) -> str:
    """What is wrong and with which file, without the folders above it."""
    found = " ".join(error.found.split())
    return found if error.file is None else f"{Path(error.file).name}: {found}"


def _compare_masks(job: Job, modality: str) -> tuple[tuple[Agreement, ...], list[str]]:
    """Agreements of a modality's structures, and which are empty."""
    truth = read_labels(job.truth, truth_name(modality), modality)
    predicted = read_labels(job.predicted, prediction_name(modality), modality)
    if not geometry.same_grid(truth, predicted):
        raise InputError(
            f"on another grid than the true mask ({_grid(predicted)}, not {_grid(truth)})",
            file=prediction_name(modality),
        )
    arrays = [sitk.GetArrayViewFromImage(image) for image in (truth, predicted)]
    if not arrays[0].any():
        raise InputError("the true mask is empty", file=truth_name(modality))
    structures = STRUCTURES[modality]
    found = agreements(
        arrays[0],
        arrays[1],
        [structure.label for structure in structures],
        truth.GetSpacing()[::-1],
    )
    pairs = zip(structures, found, strict=True)
    missing = [structure for structure, one in pairs if math.isinf(one.hausdorff)]
    return tuple(found), _empty(arrays, missing)


def _marked(folder: Path, name: str) -> bool:
    """Whether a mask's header says that it is a digital patient's."""
    path = named_file(folder, name)
    assert path is not None  # it was read before
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return is_phantom(reader)


def _empty(arrays: Sequence[NDArray[Any]], missing: Sequence[Structure]) -> list[str]:
    """Which mask lacks which of some structures that are not in both."""
    notes = []
    for which, array in zip(("true", "predicted"), arrays, strict=True):
        lacking = [one.name for one in missing if not (array == one.label).any()]
        if lacking:
            mask = missing[0].region.nucleus.modality
            notes.append(f"no voxel of {', '.join(lacking)} in the {which} {mask} mask")
    return notes


def read_labels(folder: Path, name: str, modality: str) -> sitk.Image:
    """The mask ``name`` of a case's folder.

    Raises:
        InputError: It is not there, is damaged, or has other labels than the modality's.
    """
    path = named_file(folder, name)
    if path is None:
        raise InputError(f"there is no {name}.nii.gz")
    image = whole_labels(files.read_raw(path).image, path)
    last = LABEL_COUNT[modality]
    highest = int(sitk.GetArrayViewFromImage(image).max())
    if highest > last:
        raise InputError(
            f"wrong labels, up to {highest} where the {modality} mask has 0 to {last}", file=path
        )
    return image


def _grid(image: sitk.Image) -> str:
    size = " x ".join(map(str, image.GetSize()))
    spacing = " x ".join(f"{mm:.3g}" for mm in image.GetSpacing())
    origin = ", ".join(f"{mm:.4g}" for mm in image.GetOrigin())
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return f"{size} voxels of {spacing} mm from {origin}, axes {axes}"


def read_vote(folder: Path) -> int:
    """0 or 1 from a case's ``PD_pred.txt``.

    Raises:
        InputError: It is not there or says something else.
    """
    said = _read_text(folder / PD_FILE)
    if said is None:
        raise InputError(f"there is no {PD_FILE}")
    if said not in ("0", "1"):
        raise InputError(f"'{said[:40]}' is neither 0 nor 1", file=PD_FILE)
    return int(said)


def read_probability(folder: Path) -> float | None:
    """The number in a case's ``PD_prob.txt``, None without that file.

    Raises:
        InputError: It is no probability.
    """
    text = _read_text(folder / PROBABILITY_FILE)
    if text is None:
        return None
    try:
        probability = float(text)
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise InputError(f"'{text[:40]}' is no probability", file=PROBABILITY_FILE)
    return probability


def _read_text(path: Path) -> str | None:
    """A small file's text without the space around it, None if there is no file."""
    if not path.exists():
        return None
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read as text", file=path) from error
