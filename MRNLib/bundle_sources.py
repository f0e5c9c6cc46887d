"""What a bundle may be made of: folds of one model, honest calibration, whole segmenters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from MRNLib.errors import InputError
from MRNLib.manifest import SEGMENTER_FILES
from MRNLib.models.config import MrnConfig
from MRNLib.nuclei import Modality
from MRNLib.training.calibration import refuse_trained_on, unseen_by
from MRNLib.training.crops import PatientCrops
from MRNLib.training.folds import TrainedFold, check_origin, check_together, refuse_other_crops

# Labels of a segmenter's masks, without the background.
LABELS: Mapping[Modality, int] = {"QSM": 16, "NM": 2}


@dataclass(frozen=True)
class Sources:
    """What a bundle is made of.

    Attributes:
        folds: Of one split.
        patients: Those that the folds were made of.
        validation: Patients that no fold was trained on, to calibrate on; empty: each patient by
            the fold that held it out.
        merged: Whether a validation set is among ``patients``.
        segmenters: Imported nnU-Nets.
    """

    folds: Sequence[TrainedFold]
    patients: Sequence[PatientCrops]
    validation: Sequence[PatientCrops]
    merged: bool
    segmenters: Mapping[Modality, Path]

    @property
    def identifiers(self) -> frozenset[str]:
        """Of the patients that the folds trained on or held out."""
        return self.folds[0].trained | self.folds[0].held_out

    @property
    def members(self) -> list[PatientCrops]:
        """Those patients' crops."""
        everyone = self.identifiers
        return [one for one in self.patients if one.identifier in everyone]


def check_sources(sources: Sources) -> MrnConfig:
    """Refuses what would not be one honest bundle; returns its model.

    Raises:
        InputError: Folds that do not belong together, or of another system than MRN; crops that
            are missing, not the folds' own, of other margins or of the other kind of patient;
            patients to calibrate on that a fold was trained on; a segmenter that is not whole.
    """
    folds = sources.folds
    check_together(folds)
    kind = folds[0].model.get("kind", "mrn")
    if kind != "mrn":
        raise InputError(
            f"these folds are of the system {kind}; a bundle holds MRN",
            file=folds[0].weights,
            expected="folds that were trained with model.kind: mrn",
        )
    if missing := sorted(sources.identifiers - {one.identifier for one in sources.patients}):
        raise InputError(
            f"crops of {len(missing)} of the {len(sources.identifiers)} patients behind the folds "
            f"are missing, e.g. {missing[0]}",
            remedy="name the crops that the folds were trained on: --data CROPS, twice if merged",
        )
    used = [*sources.members, *sources.validation]
    check_origin(folds[0].trained_on, used)
    check_margins(used)
    for fold in folds:
        refuse_other_crops(fold, sources.members)
    if sources.validation:
        refuse_trained_on(folds, [one.identifier for one in sources.validation])
    else:
        unseen_by(folds)
    for modality, folder in sources.segmenters.items():
        check_segmenter(modality, folder)
    return _model(folds[0])


def _model(fold: TrainedFold) -> MrnConfig:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(MrnConfig).validate_python(fold.model)
    except ValidationError as error:
        raise InputError(
            f"describes no MRN ({error.errors()[0]['msg']})",
            file=fold.weights.with_suffix(".json"),
        ) from error


def check_margins(patients: Sequence[PatientCrops]) -> None:
    """Refuses crops whose boxes are not all as wide.

    Raises:
        InputError: A bundle can state one margin only.
    """
    first = patients[0]
    for one in patients:
        if (one.margin_mm, one.margin_slices) != (first.margin_mm, first.margin_slices):
            raise InputError(
                f"boxes of {one.identifier} have margins of {one.margin_mm:g} mm and "
                f"{one.margin_slices} slices, those of {first.identifier} {first.margin_mm:g} mm "
                f"and {first.margin_slices}",
                expected="crops with one margin",
                remedy="cut them again with Training/prepare_crops.py",
            )


def check_segmenter(modality: Modality, folder: Path) -> None:
    """Refuses a folder that is no imported nnU-Net, or the other modality's.

    Raises:
        InputError: It is not there, not whole, or outlines something else.
    """
    from MRNLib.nnunet import stored

    missing = [name for name in SEGMENTER_FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"this is no segmenter of the {modality} volume: {missing[0]} is missing",
            file=folder,
            remedy="make it with Training/train_segmentation.py import, or take the one of another "
            f"bundle, such as MRNLib/bundles/phantom-tiny/segmenter_{modality.lower()}",
        )
    network = stored.load(folder)
    labels, wanted = len(network.dataset["labels"]) - 1, LABELS[modality]
    if labels != wanted:
        raise InputError(
            f"this segmenter has {labels} labels", file=folder, expected=f"{wanted} for {modality}"
        )
    if unknown := [name for name in network.channels if name not in ("QSM", "NM", "T1")]:
        raise InputError(
            f"this segmenter looks at {unknown[0]}", file=folder, expected="QSM, NM or T1 volumes"
        )
