"""Puts trained folds and segmenters together into a bundle and calibrates it on validation crops.

    python Training/export_bundle.py --out MRNLib/bundles/phantom-tiny \\
        --validation runs/crops_validation \\
        --folds runs/mrn/fold_0/fold_0.safetensors --folds runs/mrn/fold_1/fold_1.safetensors \\
        --folds runs/mrn/fold_2/fold_2.safetensors \\
        --segmenter-qsm runs/segmenters/segmenter_qsm --segmenter-nm runs/segmenters/segmenter_nm
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from MRNLib.boxes import crop
from MRNLib.bundle import Bundle
from MRNLib.bundle_export import BundleParts, update_bundle, write_bundle
from MRNLib.classifier import Classifier, PatientCrops
from MRNLib.cli.run import run_script
from MRNLib.errors import InputError
from MRNLib.manifest import CalibrationSettings
from MRNLib.metrics import fit_temperature
from MRNLib.models.config import MrnConfig
from MRNLib.parameters import Parameters
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES
from MRNLib.training.crops import PatientCrops as StoredCrops
from MRNLib.training.data import load_crops
from MRNLib.training.store import median_shapes

# A probability this near .5 is called undecided.
ABSTAIN = 0.1


def boxed(stored: StoredCrops) -> PatientCrops:
    """A patient's crops in the boxes from the true masks, as a diagnosis would cut them."""
    crops = {
        name: np.ascontiguousarray(crop(roi.image, roi.box), np.float32)
        for name, roi in stored.rois.items()
    }
    return PatientCrops(crops, {name: array.shape for name, array in crops.items()})


def calibrate(bundle: Bundle, patients: list[StoredCrops], note: str) -> CalibrationSettings:
    """Temperature of the folds' averaged probability on patients not used for training."""
    classifier = Classifier(bundle, Parameters())
    margins = np.array([classifier.margins(boxed(patient)).mean(axis=1) for patient in patients])
    labels = np.array([patient.diagnosis for patient in patients])
    return CalibrationSettings(
        temperature=round(fit_temperature(margins.T, labels), 4),
        abstain_low=0.5 - ABSTAIN,
        abstain_high=0.5 + ABSTAIN,
        source=f"temperature fitted on {note}, boxes from true masks; "
        f"limits .5 plus and minus {ABSTAIN}",
    )


def main(
    folds: Annotated[list[Path], typer.Option(help="Exported folds, fold_N.safetensors.")],
    segmenter_qsm: Annotated[Path, typer.Option(help="Imported nnU-Net of the QSM.")],
    segmenter_nm: Annotated[Path, typer.Option(help="Imported nnU-Net of the NM volume.")],
    validation: Annotated[Path, typer.Option(help="Crops of patients not trained on.")],
    out: Annotated[Path, typer.Option(help="Bundle folder to write.")],
    name: str = "phantom-tiny",
    bundle_version: str = "1.0.0",
    trained_on: Annotated[str, typer.Option(help="phantom or human")] = "phantom",
    summary: str = "Demonstration model, trained on digital patients only.",
) -> None:
    """Writes and calibrates a bundle."""
    from pydantic import TypeAdapter
    from safetensors.torch import load_file

    patients = [load_crops(path) for path in sorted(validation.glob("*.npz"))]
    if not patients:
        raise InputError("There are no crops to calibrate on.", file=validation)
    if trained_on not in ("phantom", "human"):
        raise InputError(f"--trained-on {trained_on}?", expected="phantom or human")
    origin: Literal["phantom", "human"] = "phantom" if trained_on == "phantom" else "human"
    described = [
        json.loads(path.with_suffix(".json").read_text("utf-8"))["model"] for path in folds
    ]
    if any(model != described[0] for model in described):
        raise InputError("The folds are not of one model.", file=folds[0].parent)
    parts = BundleParts(
        name=name,
        version=bundle_version,
        trained_on=origin,
        summary=summary,
        model=TypeAdapter(MrnConfig).validate_python(described[0]),
        folds={int(path.stem.removeprefix("fold_")): load_file(path) for path in folds},
        segmenters={"QSM": segmenter_qsm, "NM": segmenter_nm},
        margin_mm=MARGIN_MM,
        margin_slices=MARGIN_SLICES,
        absent_roi_shapes=median_shapes(patients),
    )
    bundle = write_bundle(parts, out)
    note = f"{len(patients)} validation {'phantoms' if origin == 'phantom' else 'patients'}"
    bundle = update_bundle(bundle, calibration=calibrate(bundle, patients, note))
    typer.echo(f"{bundle.identity} written to {out}")


if __name__ == "__main__":
    run_script(main)
