"""One examination from files to result: the road that the command line and Slicer share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib import biomarkers, report, robustness
from MRNLib.anatomy import ROIS
from MRNLib.bundle import Bundle, open_bundle
from MRNLib.cache import ArrayCache
from MRNLib.cases import Case, CaseImages, load_case
from MRNLib.classifier import Classifier
from MRNLib.decision import decide, headline
from MRNLib.encoding import choose_device
from MRNLib.errors import InputError
from MRNLib.examination import (
    Calibration,
    Examination,
    FoldResult,
    RoiSummary,
)
from MRNLib.nuclei import BundleSegmenters, Outlines, outline
from MRNLib.parameters import Parameters
from MRNLib.progress import Progress, part, silent
from MRNLib.provenance import provenance
from MRNLib.quality import check_rois
from MRNLib.readout import Readout, read_out
from MRNLib.report_images import ReportImages
from MRNLib.rois import Roi, boxes_from_masks, without_strays
from MRNLib.writing import replaced_files


@dataclass(frozen=True)
class Diagnosis:
    """The examination of one case, and the images it came from."""

    examination: Examination
    outlines: Outlines
    report_images: ReportImages

    def write(self, out: Path) -> dict[str, Path]:
        """Writes report, JSON, CSV, figures and masks into ``out``, all of them or none.

        Returns:
            The files by name; ``report.html`` and ``diagnosis.json`` among them.
        """
        with replaced_files(out, report.OPTIONAL_FIGURES) as folder:
            names = report.fill(self.examination, self.report_images, folder)
            names += self.outlines.write(folder)
        return {name: out / name for name in names}


class Diagnoser:
    """Diagnoses cases with one bundle and one set of parameters; models are loaded once for all.

    Args:
        parameters: Settings; or the name or folder of a bundle, all other settings at their
            defaults.

    Raises:
        InputError: An unusable bundle, device or setting.
    """

    def __init__(self, parameters: Parameters | str | None = None) -> None:
        if isinstance(parameters, str):
            parameters = Parameters(bundle=parameters)
        self.parameters = parameters or Parameters()
        self.bundle: Bundle = open_bundle(self.parameters.bundle)
        self.device = choose_device(self.parameters.device)
        self.cache = ArrayCache(self.parameters.cache)
        self._segmenters = BundleSegmenters(
            self.bundle,
            self.cache,
            device=self.device,
            exact=self.parameters.exact_segmentation,
        )
        self._said: list[str] = []
        self._classifier: Classifier | None = None

    def classifier(self, said: list[str]) -> Classifier:
        """The folds, kept from case to case; loaded anew after a GPU ran out of memory.

        Args:
            said: Receives what the classifier has to say from now on, until the next call.
        """
        self._said = said
        if self._classifier is None or self._classifier.device != self.device:
            self._classifier = Classifier(
                self.bundle,
                self.parameters,
                cache=self.cache,
                warn=lambda message: self._said.append(message),
            )
        self._classifier.begin()
        return self._classifier

    def outline(self, case: Case, progress: Progress = silent) -> Outlines:
        """Reads and checks a case and completes its masks.

        Raises:
            InputError: An input that cannot be used; the text says which, and what to do.
            Cancelled: From the progress callback.
        """
        progress(0.0, "Reading the volumes")
        images = load_case(
            case,
            swap_modalities=self.parameters.swap_modalities,
            swap_sides=self.parameters.swap_sides,
            split_merged=self.parameters.split_merged,
            t1_needed=self.bundle.needs_t1,
        )
        self._require_boxes_inside(images.qsm.image.GetSize())
        return outline(images, self._segmenters, part(progress, 0.05, 1.0))

    def diagnose(self, case: Case, progress: Progress = silent) -> Diagnosis:
        """Reads, outlines, crops, classifies and measures one case.

        Raises:
            InputError: An input that cannot be used; the text says which, and what to do.
            Cancelled: From the progress callback.
        """
        # First, so that folds, weights or a precision that cannot be used are said at once.
        said: list[str] = []
        classifier = self.classifier(said)
        outlines = self.outline(case, part(progress, 0.0, 0.7))
        images = outlines.images
        rois = self.rois(outlines)
        checked = check_rois(images, rois, self.parameters.masked)
        boxes = {name: roi.box for name, roi in rois.items()}
        shown = _report_images(outlines)
        readout = read_out(
            classifier,
            shown.qsm,
            shown.nm,
            boxes,
            masked=self.parameters.masked,
            jitter=self.parameters.jitter,
            progress=part(progress, 0.7, 0.97),
        )
        progress(0.97, "Measuring the nuclei")
        warnings = [*outlines.warnings, *checked, *said]
        examination = self._assemble(case, images, shown, rois, classifier, readout, warnings)
        examination = replace(examination, segmentation_notes=outlines.notes)
        progress(1.0, "Done")
        return Diagnosis(examination, outlines, shown)

    def rois(self, outlines: Outlines) -> dict[str, Roi]:
        """The four ROIs from the masks, or where the user put them."""
        reference = outlines.images.qsm.image
        qsm_mask, nm_mask = (sitk.GetArrayViewFromImage(mask) for mask in outlines.masks)
        spacing = reference.GetSpacing()
        manifest = self.bundle.manifest
        margin = self.parameters.margin_mm
        rois = boxes_from_masks(
            qsm_mask,
            nm_mask,
            spacing,
            margin_mm=manifest.margin_mm if margin is None else margin,
            margin_slices=manifest.margin_slices,
        )
        for name, box in self.parameters.boxes.items():
            x, y, z = (round(n * mm, 3) for n, mm in zip(box.size, spacing, strict=True))
            rois[name] = Roi(name, box, True, box.size[2], (x, y, z), ("box set by the user",))
        return rois

    def _require_boxes_inside(self, size: tuple[int, int, int]) -> None:
        """Refuses a box set by the user that leaves the volume of ``size`` voxels."""
        for name, box in self.parameters.boxes.items():
            if any(high > limit for high, limit in zip(box.upper, size, strict=True)):
                raise InputError(
                    f"The box {box} of ROI {name} leaves the volume.",
                    expected="ends of at most {},{},{} on the canonical grid".format(*size),
                )

    def _assemble(
        self,
        case: Case,
        images: CaseImages,
        shown: ReportImages,
        rois: Mapping[str, Roi],
        classifier: Classifier,
        readout: Readout,
        warnings: list[str],
    ) -> Examination:
        masks = (without_strays(shown.qsm_mask), without_strays(shown.nm_mask))
        measured = biomarkers.measure(shown.qsm, shown.nm, *masks, shown.spacing)
        absent = [name for name, roi in rois.items() if not roi.present]
        left_out = [name for name in rois if name in absent or name in self.parameters.masked]
        if absent:
            warnings.append(f"Degraded: {', '.join(absent)} absent and therefore masked.")
        warnings += biomarkers.quality_warnings(measured)
        manifest = self.bundle.manifest
        decision = decide(readout.probability, manifest, images.phantom)
        votes = zip(classifier.folds, readout.votes, strict=True)
        return Examination(
            identifier=case.identifier,
            probability_pd=readout.probability,
            decision=decision,
            headline=headline(decision, readout.probability, left_out, images.phantom),
            folds=tuple(FoldResult(fold, float(vote)) for fold, vote in votes),
            spread=float(np.std(readout.votes)),
            calibration=Calibration(**manifest.calibration.model_dump()),
            masking=readout.masking,
            jitter=readout.jitter,
            robustness=robustness.summary(readout.masking, readout.jitter, left_out),
            rois=_summaries(rois, left_out, readout.encoded),
            biomarkers=measured,
            trained_on=manifest.trained_on,
            phantom=images.phantom,
            degraded=bool(left_out),
            warnings=tuple(dict.fromkeys(case.without_folders(text) for text in warnings)),
            provenance=provenance(images, self.bundle, classifier, self.parameters),
        )


def _report_images(outlines: Outlines) -> ReportImages:
    images = outlines.images
    qsm_mask, nm_mask = (sitk.GetArrayFromImage(mask) for mask in outlines.masks)
    return ReportImages(
        qsm=sitk.GetArrayFromImage(images.qsm.image),
        nm=sitk.GetArrayFromImage(images.nm.image),
        qsm_mask=qsm_mask,
        nm_mask=nm_mask,
        spacing=images.qsm.image.GetSpacing(),
    )


def _summaries(
    rois: Mapping[str, Roi], left_out: list[str], encoded: frozenset[str]
) -> tuple[RoiSummary, ...]:
    return tuple(
        RoiSummary(
            name=roi.name,
            modality=roi.modality,
            nuclei=tuple(nucleus.key for nucleus in roi.nuclei),
            box=None if rois[roi.name].box is None else str(rois[roi.name].box),
            slices=rois[roi.name].slices,
            size_mm=rois[roi.name].size_mm if rois[roi.name].present else None,
            present=rois[roi.name].present,
            masked=roi.name in left_out,
            encoded=roi.name in encoded,
            warnings=rois[roi.name].warnings,
        )
        for roi in ROIS
    )
