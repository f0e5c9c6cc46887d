"""One examination to the challenge's answer: two masks and a vote, and nothing else.

The masks and the probability are those of a diagnosis (:class:`MRNLib.diagnosis.Diagnoser`);
maskings, jitter, biomarkers and the report are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from MRNLib.casefiles import Case
from MRNLib.challenge.layout import MODALITIES, PD_FILE, PROBABILITY_FILE, prediction_name
from MRNLib.classifier import patient_crops
from MRNLib.diagnosis import Diagnoser
from MRNLib.errors import BundleError, InputError, in_one_line
from MRNLib.nuclei import Outlines
from MRNLib.progress import Progress, part, silent
from MRNLib.quality import check_rois
from MRNLib.writing import replaced_files

# Probability of PD from which on the vote is 1.
PD_FROM = 0.5
# What stands in the vote's file where there is no vote: the challenge has no word for "refused",
# and a missing file would lose the masks with it.
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
        is removed then.

        Args:
            out: The case's folder, made if missing; other files in it stay.
            probability_file: Whether to write ``PD_prob.txt``, which the challenge does not know.
        """
        with replaced_files(out, (PROBABILITY_FILE,)) as folder:
            self.outlines.write(folder, "pred")
            # No newline: programs that read the file without stripping it find the digit alone.
            (folder / PD_FILE).write_text(str(self.vote), encoding="ascii")
            if probability_file and self.probability_pd is not None:
                text = repr(self.probability_pd)
                (folder / PROBABILITY_FILE).write_text(text, encoding="ascii")


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
    """Whether a case's folder holds every file of a prediction, whatever made it.

    Args:
        out: The case's folder.
        probability_file: Whether ``PD_prob.txt`` has to be there too; a case that has a stand-in
            for its vote is done again then.
    """
    names: Sequence[str] = [f"{prediction_name(modality)}.nii.gz" for modality in MODALITIES]
    names = [*names, PD_FILE, *([PROBABILITY_FILE] if probability_file else [])]
    return all((out / name).is_file() for name in names)


def one_line(error: Exception) -> str:
    """An error's text in one line; the kind is named of one that is not the input's fault."""
    text = in_one_line(str(error))
    if isinstance(error, InputError | OSError):
        return text
    return f"unexpected {type(error).__name__}: {text}"[:300]
