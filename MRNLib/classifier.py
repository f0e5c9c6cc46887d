"""Probability of PD from the four crops of a patient: every fold of a bundle votes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from MRNLib.anatomy import ROIS
from MRNLib.boxes import Box, crop
from MRNLib.bundle import Bundle
from MRNLib.cache import ArrayCache
from MRNLib.encoding import RoiEncoder, Shape, check_precision, choose_device
from MRNLib.models.heads import classify_from_head
from MRNLib.parameters import Parameters


@dataclass(frozen=True)
class PatientCrops:
    """The four ROIs of one patient as the model sees them.

    Attributes:
        crops: Native crops ``[slices, height, width]`` float32 (ppb, or NM units) of the present
            ROIs.
        shapes: Native shape of every ROI; that of an absent one is the bundle's median.
    """

    crops: Mapping[str, NDArray[np.float32]]
    shapes: Mapping[str, Shape]


def patient_crops(
    qsm: NDArray[np.float32],
    nm: NDArray[np.float32],
    boxes: Mapping[str, Box | None],
    absent_shapes: Mapping[str, Shape],
) -> PatientCrops:
    """Cuts the ROIs out of canonical arrays ``[k, j, i]``; a ROI without a box stays absent."""
    arrays = {"QSM": qsm, "NM": nm}
    crops: dict[str, NDArray[np.float32]] = {}
    shapes: dict[str, Shape] = dict(absent_shapes)
    for roi in ROIS:
        box = boxes[roi.name]
        if box is not None:
            crops[roi.name] = np.ascontiguousarray(crop(arrays[roi.modality], box), np.float32)
            slices, height, width = crops[roi.name].shape
            shapes[roi.name] = (slices, height, width)
    return PatientCrops(crops, shapes)


class Classifier:
    """The folds of a bundle, ready to vote; models are loaded when a token is not in the cache."""

    def __init__(
        self,
        bundle: Bundle,
        parameters: Parameters,
        *,
        cache: ArrayCache | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.bundle = bundle
        self.tta = parameters.tta
        device = choose_device(parameters.device)
        self.precision = parameters.precision
        check_precision(self.precision, device)
        self.folds = parameters.folds or bundle.manifest.folds
        self._heads = {fold: bundle.head(fold) for fold in self.folds}
        shared = cache if cache is not None else ArrayCache()
        self._encoders = {
            fold: RoiEncoder(
                bundle,
                fold,
                device=device,
                precision=self.precision,
                cache=shared,
                warn=warn,
            )
            for fold in self.folds
        }

    def begin(self) -> None:
        """Counts from here on: for another patient."""
        for encoder in self._encoders.values():
            encoder.computed = 0

    @property
    def computed(self) -> dict[int, int]:
        """Encodings computed for this patient, by fold; tokens of the cache do not count."""
        return {fold: encoder.computed for fold, encoder in self._encoders.items()}

    @property
    def device(self) -> str:
        """Where encodings are computed; ``cpu`` once a GPU ran out of memory."""
        devices = {encoder.device for encoder in self._encoders.values()}
        return "cpu" if "cpu" in devices else devices.pop()

    def margins(self, patient: PatientCrops, masked: Collection[str] = ()) -> NDArray[np.float64]:
        """Logit of PD minus logit of HC, shape ``[folds, views]``; two views with TTA, else one."""
        views = (False, True) if self.tta else (False,)
        result = np.empty((len(self.folds), len(views)))
        for row, fold in enumerate(self.folds):
            for column, mirrored in enumerate(views):
                tokens = torch.stack(
                    [self._token(fold, roi.name, patient, masked, mirrored) for roi in ROIS]
                )
                logits = classify_from_head(self._heads[fold], tokens[None])[0]
                result[row, column] = float(logits[1] - logits[0])
        return result

    def fold_probabilities(
        self, patient: PatientCrops, masked: Collection[str] = ()
    ) -> NDArray[np.float64]:
        """Calibrated probability of PD of every fold, shape ``[folds]``, views averaged."""
        temperature = self.bundle.manifest.calibration.temperature
        return calibrated(self.margins(patient, masked), temperature).mean(axis=1)

    def probability(self, patient: PatientCrops, masked: Collection[str] = ()) -> float:
        """Mean of the folds' probabilities (section 4.1 of the paper)."""
        return float(self.fold_probabilities(patient, masked).mean())

    def encode(self, name: str, patient: PatientCrops, *, masked: bool = False) -> None:
        """Makes sure that every fold has the token of one ROI, as it is or masked."""
        for fold in self.folds:
            for mirrored in (False, True) if self.tta else (False,):
                self._token(fold, name, patient, {name} if masked else (), mirrored)

    def _token(
        self, fold: int, name: str, patient: PatientCrops, masked: Collection[str], mirrored: bool
    ) -> torch.Tensor:
        encoder = self._encoders[fold]
        if name in masked or name not in patient.crops:
            return encoder.blank_token(patient.shapes[name])
        roi = next(roi for roi in ROIS if roi.name == name)
        return encoder.token(roi, patient.crops[name], mirrored=mirrored)


def calibrated(margins: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Softmax probability of PD after both logits were divided by ``temperature``."""
    return 1.0 / (1.0 + np.exp(-margins / temperature))
