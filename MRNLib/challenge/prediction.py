"""One examination to the challenge's answer: two masks and a vote, and nothing else.

The masks and the probability are those of a diagnosis (:class:`MRNLib.diagnosis.Diagnoser`);
maskings, jitter, biomarkers and the report are left out.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from MRNLib.casefiles import Case
from MRNLib.challenge.cases import read_labels, read_probability, read_vote
from MRNLib.challenge.layout import (
    MODALITIES,
    PD_FILE,
    PROBABILITY_FILE,
    no_vote_mark,
    prediction_name,
)
from MRNLib.classifier import patient_crops
from MRNLib.diagnosis import Diagnoser
from MRNLib.errors import BundleError, InputError, in_one_line
from MRNLib.nuclei import Outlines
from MRNLib.progress import Progress, part, silent
from MRNLib.quality import check_rois
from MRNLib.writing import replaced_files

# Probability of PD from which on the vote is 1.
PD_FROM = 0.5
# What stands in the vote's file where there is no vote: the challenge has no word for "refused".
STAND_IN = 0


@dataclass(frozen=True)
class Prediction:
    """The challenge's answer for one case.

    Attributes:
        outlines: The masks, on the case's canonical grid.
        probability_pd: Mean of the folds' votes; None where classification was refused.
        refusal: Why it was refused, in one line; empty where it was not.
        warnings: What a reader should know, one line each.
    """

    outlines: Outlines
    probability_pd: float | None
    refusal: str
    warnings: tuple[str, ...]

    @property
    def vote(self) -> int:
        """1 for PD, 0 for a healthy control; :data:`STAND_IN` where classification was refused."""
        if self.probability_pd is None:
            return STAND_IN
        return int(self.probability_pd >= PD_FROM)

    def write(self, out: Path, *, probability_file: bool = True) -> None:
        """Writes ``NM_pred.nii.gz``, ``QSM_pred.nii.gz``, ``PD_pred.txt`` and ``PD_prob.txt``.

        Each mask is on its volume's own grid, in the challenge's labels. The files are moved into
        ``out`` when all are there. There is no ``PD_prob.txt`` without a vote, and an earlier one
        is removed then; :func:`~MRNLib.challenge.layout.no_vote_mark` says that the vote is none.

        Args:
            out: The case's folder, made if missing; other files in it stay.
            probability_file: Whether to write ``PD_prob.txt``, which the challenge does not know.
        """
        mark = no_vote_mark(out)
        if self.probability_pd is None:
            # Before the files: a run that is killed in between leaves no stand-in without it.
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(f"{self.refusal}\n", encoding="utf-8")
        with replaced_files(out, (PROBABILITY_FILE,)) as folder:
            self.outlines.write(folder, "pred")
            # No newline: programs that read the file without stripping it find the digit alone.
            (folder / PD_FILE).write_text(str(self.vote), encoding="ascii")
            if probability_file and self.probability_pd is not None:
                text = repr(self.probability_pd)
                (folder / PROBABILITY_FILE).write_text(text, encoding="ascii")
        if self.probability_pd is not None:
            mark.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # of other cases, or never made
                mark.parent.rmdir()


def predict(diagnoser: Diagnoser, case: Case, progress: Progress = silent) -> Prediction:
    """Outlines and classifies one case from its volumes alone; masks beside them are not looked at.

    Args:
        diagnoser: Holds the models.
        case: The files.
        progress: May raise Cancelled.

    Raises:
        InputError: A volume cannot be used; there are no masks then either.
        Cancelled: From the progress callback.
    """
    unmasked = replace(case, qsm_mask=None, nm_mask=None)
    outlines = diagnoser.outline(unmasked, part(progress, 0.0, 0.8))
    progress(0.8, "Classifying")
    warnings = list(outlines.warnings)
    probability, refusal = None, ""
    try:
        probability = _probability(diagnoser, outlines, warnings)
    except BundleError:
        raise
    except InputError as error:
        refusal = one_line(error)
    progress(1.0, "Done")
    return Prediction(outlines, probability, refusal, tuple(dict.fromkeys(warnings)))


def _probability(diagnoser: Diagnoser, outlines: Outlines, warnings: list[str]) -> float:
    """Mean of the folds' probabilities.

    Raises:
        InputError: The outlined nuclei do not allow a classification.
    """
    images = outlines.images
    rois = diagnoser.rois(outlines)
    warnings += check_rois(images, rois)
    absent = [name for name, roi in rois.items() if not roi.present]
    if absent:
        warnings.append(f"Degraded: {', '.join(absent)} absent and therefore masked.")
    patient = patient_crops(
        sitk.GetArrayViewFromImage(images.qsm.image),
        sitk.GetArrayViewFromImage(images.nm.image),
        {name: roi.box for name, roi in rois.items()},
        diagnoser.bundle.manifest.absent_roi_shapes,
    )
    return diagnoser.classifier(warnings).probability(patient)


def is_predicted(out: Path, probability_file: bool = True) -> bool:
    """Whether a case's folder holds a whole prediction that can be used, whatever made it.

    The masks have to be images with the challenge's labels, and the vote 0 or 1. A stand-in is no
    vote: a case that was refused is done again.

    Args:
        out: The case's folder.
        probability_file: Whether ``PD_prob.txt`` has to be there too.
    """
    if no_vote_mark(out).exists():
        return False
    names = [prediction_name(modality) for modality in MODALITIES]
    if not all((out / f"{name}.nii.gz").is_file() for name in names):
        return False
    try:
        for name, modality in zip(names, MODALITIES, strict=True):
            read_labels(out, name, modality)
        read_vote(out)
        probability = read_probability(out)
    except InputError:
        return False
    return probability is not None or not probability_file


def one_line(error: Exception) -> str:
    """An error's text in one line; the kind is named of one that is not the input's fault."""
    text = in_one_line(str(error))
    if isinstance(error, InputError | OSError):
        return text
    return f"unexpected {type(error).__name__}: {text}"[:300]
