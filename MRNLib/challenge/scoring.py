"""A folder of predictions compared with a folder of truth: what is there, case after case.

Every case of the truth is scored or has a line that says why it is not; what lies outside both (a
prediction without truth, a row of the table without a case) is a note.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from MRNLib.casefiles import DIAGNOSES, LABELS_FILE, named_file
from MRNLib.challenge.cases import CaseResult, Job, compare
from MRNLib.challenge.classification import ClassificationScore, classification_score
from MRNLib.challenge.layout import MODALITIES, PD_FILE, folders, no_vote_mark, truth_name
from MRNLib.challenge.segmentation import SegmentationScore
from MRNLib.diagnoses import read_diagnoses
from MRNLib.errors import InputError
from MRNLib.progress import Progress, silent
from MRNLib.workers import in_processes

NAMES_SHOWN = 5


@dataclass(frozen=True)
class Score:
    """What a folder of predictions is worth.

    Attributes:
        results: Of each case, sorted by identifier.
        segmentation: None if no mask was compared.
        classification: None if no diagnosis was.
        notes: What was not scored without being any case's fault.
    """

    results: tuple[CaseResult, ...]
    segmentation: SegmentationScore | None
    classification: ClassificationScore | None
    notes: tuple[str, ...]

    @property
    def phantoms(self) -> int:
        """How many of the cases are digital patients, as their true masks say."""
        return sum(one.phantom for one in self.results)

    @property
    def problems(self) -> list[CaseResult]:
        """Cases of which something could not be scored."""
        return [one for one in self.results if one.problems]


def score(
    ground_truth: Path,
    predictions: Path,
    *,
    labels: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Score:
    """Scores all cases.

    Args:
        ground_truth: Holds ``<case>/{QSM,NM}_mask.nii.gz``.
        predictions: Holds ``<case>/{QSM,NM}_pred.nii.gz`` and ``PD_pred.txt``.
        labels: Table of diagnoses; ``labels.csv`` in ``ground_truth`` if there is one and a
            prediction has a ``PD_pred.txt``.
        workers: Processes.
        progress: May raise Cancelled.

    Raises:
        InputError: A folder is missing, there is nothing to compare with, or the table of diagnoses
            cannot be understood.
    """
    for folder in (ground_truth, predictions):
        if not folder.is_dir():
            raise InputError("there is no such folder", file=folder, remedy="check the path")
    diagnoses = _diagnoses(ground_truth, predictions, labels)
    jobs, notes = plan(ground_truth, predictions, diagnoses)
    results = []
    with contextlib.closing(_compared(jobs, workers)) as compared:
        for number, result in enumerate(compared, start=1):
            results.append(result)
            progress(number / len(jobs), f"{number} of {len(jobs)} cases")
    results.sort(key=lambda one: one.identifier)
    voted = [one.classified for one in results if one.classified is not None]
    return Score(
        tuple(results),
        SegmentationScore.of(results, Counter(name for job in jobs for name in job.modalities)),
        classification_score(voted, sum(job.diagnosis is not None for job in jobs)),
        tuple(notes),
    )


def _diagnoses(ground_truth: Path, predictions: Path, labels: Path | None) -> dict[str, str]:
    if labels is None:
        beside = ground_truth / LABELS_FILE
        answered = any((folder / PD_FILE).exists() for folder in folders(predictions))
        labels = beside if answered and beside.is_file() else None
    return {} if labels is None else read_diagnoses(labels)


def plan(
    ground_truth: Path, predictions: Path, diagnoses: dict[str, str]
) -> tuple[list[Job], list[str]]:
    """What is to be compared, and notes on what is not.

    Raises:
        InputError: No true masks and no diagnoses of any of the cases.
    """
    truths = {folder.name: _true_masks(folder) for folder in folders(ground_truth)}
    predicted = {folder.name for folder in folders(predictions)}
    known = [name for name in diagnoses if name in truths or name in predicted]
    modalities = [one for one in MODALITIES if any(one in found for found in truths.values())]
    if not modalities and not known:
        raise InputError(
            "there is nothing to compare predictions with",
            file=ground_truth,
            expected="folders of cases with QSM_mask.nii.gz and NM_mask.nii.gz, or --labels",
            remedy="name the folder above the cases' folders",
        )
    names = sorted({name for name, found in truths.items() if found} | set(known))
    jobs = [
        Job(
            name,
            ground_truth / name,
            predictions / name,
            # A case that has one mask should have all that others have; the reader says it lacks.
            tuple(modalities) if truths.get(name) else (),
            DIAGNOSES.index(diagnoses[name]) if name in diagnoses else None,
        )
        for name in names
    ]
    notes = [
        *(
            f"No {one} mask in the ground truth; {one} is not scored"
            for one in MODALITIES
            if one not in modalities
        ),
        *_note("Predictions without a truth, not scored", sorted(predicted.difference(names))),
        *_case_notes(jobs, bool(modalities), bool(diagnoses)),
        *_note(
            "Cases of the table that are in neither folder, not scored",
            sorted(set(diagnoses).difference(known)),
        ),
    ]
    return jobs, notes


def _case_notes(jobs: Sequence[Job], masks: bool, diagnoses: bool) -> list[str]:
    """What is not scored of the cases, or is not what it looks like."""
    maskless = [job.identifier for job in jobs if not job.modalities] if masks else []
    undiagnosed = [job.identifier for job in jobs if job.diagnosis is None] if diagnoses else []
    classified = (job for job in jobs if job.diagnosis is not None)
    standing_in = [job.identifier for job in classified if no_vote_mark(job.predicted).is_file()]
    return [
        *_note("Cases without true masks, their masks not scored", maskless),
        *_note("Cases without a diagnosis in the table, not classified", undiagnosed),
        *_note("Votes that only stand in for a refused classification", standing_in),
    ]


def _true_masks(folder: Path) -> list[str]:
    found = []
    for modality in MODALITIES:
        try:
            if named_file(folder, truth_name(modality)) is not None:
                found.append(modality)
        except InputError:  # twice: the reader says so
            found.append(modality)
    return found


def _note(text: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [f"{text}: {', '.join(names[:NAMES_SHOWN])}{more}"]


def _compared(jobs: Sequence[Job], workers: int) -> Generator[CaseResult, None, None]:
    """Results as they are ready; closed early, nothing new is begun."""
    workers = min(workers, len(jobs))
    yield from map(compare, jobs) if workers <= 1 else in_processes(compare, jobs, workers)
