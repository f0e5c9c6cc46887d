"""A bundle measured on digital patients it never saw: the figures of its model card.

Every patient is made from its seed, classified with boxes from its true masks and, for as many as
asked for, outlined by the bundle's own nnU-Nets first. Beside each result stand the two oracles on
the same patients, and what leaks: volumes of the predicted masks, and crops whose nuclei were
blanked.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib.bundle import Bundle
from MRNLib.cache import ArrayCache
from MRNLib.canonical_phantom import CanonicalPhantom, Masks, blank_nuclei, overlaps, volumes
from MRNLib.classifier import Classifier, calibrated, patient_crops
from MRNLib.nuclei import MODALITIES, BundleSegmenters, Modality
from MRNLib.parameters import Parameters
from MRNLib.progress import Progress, silent
from MRNLib.rois import boxes_from_masks
from MRNLib.workers import ignore_interrupts, in_processes

# What a record holds only if the bundle outlined the patient as well.
PREDICTED = ("dice", "volumes", "margins_predicted")


class Evaluator:
    """Measures one bundle, patient by patient."""

    def __init__(self, bundle: Bundle, parameters: Parameters) -> None:
        self.bundle = bundle
        self.classifier = Classifier(bundle, parameters)
        self._segmenters = BundleSegmenters(
            bundle, ArrayCache(parameters.cache), device=self.classifier.device, exact=False
        )

    def record(self, seed: int, *, segment: bool) -> dict[str, Any]:
        """Everything measured on one patient, as JSON values."""
        from MRNLib.phantom import image_measurements

        patient = CanonicalPhantom.of(seed, whole=segment)
        blanked_qsm, blanked_nm = blank_nuclei(patient)
        result: dict[str, Any] = {
            "seed": seed,
            "pd": int(patient.truth.diagnosis == "PD"),
            "margins": self._margins(patient.qsm, patient.nm, patient.masks, patient.spacing),
            "margins_blanked": self._margins(
                blanked_qsm, blanked_nm, patient.masks, patient.spacing
            ),
            "measurements": image_measurements(
                patient.qsm,
                patient.nm,
                patient.masks["QSM"],
                patient.masks["NM"],
                patient.spacing,
            ),
        }
        if segment:
            predicted = {modality: self._segment(patient, modality) for modality in MODALITIES}
            result["dice"] = overlaps(patient.masks, predicted)
            result["volumes"] = volumes(predicted, patient.spacing)
            result["margins_predicted"] = self._margins(
                patient.qsm, patient.nm, predicted, patient.spacing
            )
        return result

    def _margins(
        self,
        qsm: NDArray[np.float32],
        nm: NDArray[np.float32],
        masks: Masks,
        spacing: tuple[float, float, float],
    ) -> list[float]:
        """Logit differences by fold, views averaged."""
        manifest = self.bundle.manifest
        rois = boxes_from_masks(
            masks["QSM"], masks["NM"], spacing, manifest.margin_mm, manifest.margin_slices
        )
        boxes = {name: roi.box for name, roi in rois.items()}
        crops = patient_crops(qsm, nm, boxes, manifest.absent_roi_shapes)
        found = self.classifier.margins(crops).mean(axis=1)
        return [float(value) for value in found]

    def _segment(self, patient: CanonicalPhantom, modality: Modality) -> NDArray[np.uint8]:
        mask, _ = self._segmenters.segment(modality, [patient.image(modality)])
        return sitk.GetArrayFromImage(mask)


def evaluate(
    bundle: Bundle,
    seeds: Sequence[int],
    *,
    segmented: int,
    records_file: Path,
    workers: int = 1,
    device: str = "auto",
    cache: Path | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Records of all ``seeds``; the first ``segmented`` of them are outlined by the bundle as well.

    Each record is appended to ``records_file`` (JSON lines) as soon as it is there, so that an
    interrupted evaluation goes on where it stopped. Records of another bundle are not taken up, but
    masks in ``cache`` are found again as long as the segmenters are the same. The file keeps what
    an earlier evaluation outlined beyond ``segmented``; the records returned do not have it, so
    that the figures are those of the numbers asked for.

    Raises:
        BundleError: A file of the bundle is damaged, or it has no segmenter and should outline.
    """
    known = {
        record["seed"]: record
        for record in _read(records_file)
        if record["bundle"] == bundle.measured_sha256
    }
    wanted = [
        (seed, number < segmented)
        for number, seed in enumerate(seeds)
        if seed not in known or (number < segmented and "dice" not in known[seed])
    ]
    parameters = Parameters(bundle=str(bundle.folder), device=device, cache=cache)
    start = functools.partial(_start, parameters)
    _check_whole(bundle, any(segment for _, segment in wanted))
    records_file.parent.mkdir(parents=True, exist_ok=True)
    with (
        records_file.open("a", encoding="utf-8") as stream,
        contextlib.closing(in_processes(_record, wanted, workers, start)) as measured,
    ):
        for number, found in enumerate(measured, start=1):
            record = found | {"bundle": bundle.measured_sha256}
            known[record["seed"]] = record
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            progress(number / len(wanted), f"{number} of {len(wanted)} patients")
    return [
        known[seed] if number < segmented else _not_outlined(known[seed])
        for number, seed in enumerate(seeds)
    ]


def _check_whole(bundle: Bundle, segment: bool) -> None:
    """Refuses a damaged bundle before anything is written and before workers would find out."""
    for fold in bundle.manifest.folds:
        bundle.encoder(fold)
    for modality in MODALITIES if segment else ():
        bundle.segmenter_folder(modality)


def _not_outlined(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what came from the bundle's own masks."""
    return {key: value for key, value in record.items() if key not in PREDICTED}


_evaluator: Evaluator | None = None


def _start(parameters: Parameters) -> None:
    """Sets a worker process up: one thread each, and its own models."""
    global _evaluator
    ignore_interrupts()
    import torch

    from MRNLib.bundle import open_bundle

    os.environ["OMP_NUM_THREADS"] = "1"  # what the segmenters go by
    torch.set_num_threads(1)
    _evaluator = Evaluator(open_bundle(parameters.bundle), parameters)


def _record(patient: tuple[int, bool]) -> dict[str, Any]:
    """Of a seed, outlined by the bundle too or not."""
    assert _evaluator is not None
    seed, segment = patient
    return _evaluator.record(seed, segment=segment)


def _read(path: Path) -> Iterable[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # a line cut off by a kill


def fold_mean(records: Sequence[dict[str, Any]], key: str, temperature: float) -> NDArray[Any]:
    """Calibrated probability of PD, folds averaged, of each record."""
    margins = np.array([record[key] for record in records])
    return calibrated(margins, temperature).mean(axis=1)
