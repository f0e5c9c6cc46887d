"""The default segmentation against the exact one: Dice, seconds and tiles, on digital patients.

OMP_NUM_THREADS=1 python Testing/benchmarks/segmentation.py [--fine]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.bundle import open_bundle
from MRNLib.casefiles import read_cohort
from MRNLib.cases import CaseImages, load_case
from MRNLib.metrics import dice
from MRNLib.parameters import DEFAULT_BUNDLE
from MRNLib.phantom import DEMO_SEEDS, write_cohort
from MRNLib.segmentation import Segmenter


def patient(seed: int) -> CaseImages:
    """One digital patient, read back from disk without its masks."""
    with tempfile.TemporaryDirectory() as folder:
        write_cohort(Path(folder), 1, seed)
        case = read_cohort(Path(folder))[0]
        return load_case(replace(case, qsm_mask=None, nm_mask=None))


def halved(image: sitk.Image) -> sitk.Image:
    """The image on a grid of half the voxel size."""
    return sitk.Expand(image, [2, 2, 2], sitk.sitkLinear)


def compare(segmenter: Segmenter, image: sitk.Image) -> str:
    """One line: lowest Dice over the labels, and the seconds of both modes."""
    labels, seconds = [], []
    for exact in (False, True):
        start = time.perf_counter()
        labels.append(sitk.GetArrayFromImage(segmenter.segment(image, exact=exact)))
        seconds.append(time.perf_counter() - start)
    found = [dice(labels[0] == label, labels[1] == label) for label in np.unique(labels[1])[1:]]
    return (
        f"{len(found)} labels, lowest Dice {min(found):.4f}, "
        f"default {seconds[0]:.1f} s, exact {seconds[1]:.1f} s ({seconds[1] / seconds[0]:.1f} x)"
    )


def main() -> None:
    """Prints one line for each patient and modality."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=3)
    parser.add_argument("--fine", action="store_true", help="on voxels of half the size")
    options = parser.parse_args()
    bundle = open_bundle(DEFAULT_BUNDLE)
    for seed in DEMO_SEEDS[600 : 600 + options.patients]:
        images = patient(seed)
        for modality, volume in (("QSM", images.qsm), ("NM", images.nm)):
            segmenter = Segmenter.from_bundle(bundle.segmenter_folder(modality))
            image = halved(volume.image) if options.fine else volume.image
            print(f"{seed} {modality}: {compare(segmenter, image)}", flush=True)


if __name__ == "__main__":
    main()
