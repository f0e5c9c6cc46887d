"""``mrn challenge score`` on full-size masks of digital patients, predictions a little off.

python Testing/benchmarks/challenge_score.py [--cases 100] [--workers 2]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MRNLib.challenge.layout import MODALITIES, prediction_name, truth_name
from MRNLib.challenge.scoring import score
from MRNLib.phantom import DEMO_SEEDS, generate

PATIENTS = 4


def off(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each label moved by up to a voxel, and its outline frayed."""
    result = np.zeros_like(mask)
    for label, box in enumerate(ndimage.find_objects(mask), start=1):
        if box is None:
            continue
        wide = tuple(slice(max(one.start - 2, 0), one.stop + 2) for one in box)
        inside = np.roll(mask[wide] == label, rng.integers(-1, 2, 3), (0, 1, 2))
        frayed = inside | (ndimage.binary_dilation(inside) & (rng.random(inside.shape) < 0.2))
        result[wide][frayed & (result[wide] == 0)] = label
    return result


def write(array: np.ndarray, spacing: tuple[float, ...], path: Path) -> None:
    """Writes a label map in the challenge's geometry."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)


def prepare(folder: Path, cases: int) -> None:
    """Writes truth and predictions of ``cases`` cases, made of a few patients."""
    rng = np.random.default_rng(0)
    patients = [generate(DEMO_SEEDS[700 + n], modalities=()) for n in range(min(PATIENTS, cases))]
    for number in range(cases):
        patient = patients[number % len(patients)]
        masks = dict(zip(MODALITIES, (patient.qsm_mask, patient.nm_mask), strict=True))
        name = f"RJPD_{number:03d}"
        for modality, mask in masks.items():
            truth = folder / "truth" / name / f"{truth_name(modality)}.nii.gz"
            predicted = folder / "predictions" / name / f"{prediction_name(modality)}.nii.gz"
            write(mask, patient.spacing, truth)
            write(off(mask, rng), patient.spacing, predicted)


def main() -> None:
    """Prints the seconds and the composite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.cases)
        start = time.perf_counter()
        found = score(folder / "truth", folder / "predictions", workers=options.workers)
        seconds = time.perf_counter() - start
    assert not found.problems
    assert found.segmentation is not None
    print(
        f"{options.cases} cases, {options.workers} workers: {seconds:.1f} s, "
        f"{1000 * seconds / options.cases:.0f} ms a case; "
        f"composite {found.segmentation.as_summed:.4f}"
    )


if __name__ == "__main__":
    main()
