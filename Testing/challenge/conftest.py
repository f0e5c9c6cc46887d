"""What tests of predictions share: a small examination and a bundle that can outline it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

# Voxels kept around the nuclei.
AROUND = (12, 12, 3)


@pytest.fixture(scope="session")
def small_case(phantom_case, tmp_path_factory) -> Path:
    """Folder of a digital patient cut down to the nuclei, with the true masks beside it."""
    folder = tmp_path_factory.mktemp("small") / "RJPD_001"
    folder.mkdir()
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(phantom_case.qsm_mask)))
    inside = [np.flatnonzero(mask.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
    low = [max(int(found[0]) - more, 0) for found, more in zip(inside, AROUND, strict=True)]
    high = [int(found[-1]) + 1 + more for found, more in zip(inside, AROUND, strict=True)]
    for name in ("QSM", "NM", "QSM_mask", "NM_mask"):
        image = sitk.ReadImage(str(phantom_case.qsm.parent / f"{name}.nii.gz"))
        end = [min(*pair) for pair in zip(high, image.GetSize(), strict=True)]
        cut = image[low[0] : end[0], low[1] : end[1], low[2] : end[2]]
        sitk.WriteImage(cut, str(folder / f"{name}.nii.gz"))
    return folder


@pytest.fixture(scope="session")
def small_bundle(random_bundle, tmp_path_factory) -> Path:
    """The bundle of random folds, with the shipped bundle's nnU-Nets."""
    from MRNLib.bundle import open_bundle
    from MRNLib.bundle_export import BundleParts, write_bundle
    from MRNLib.models.mrn import build, inference_state

    shipped = open_bundle("phantom-tiny")
    model = open_bundle(random_bundle).manifest.model
    destination = tmp_path_factory.mktemp("bundles") / "small"
    parts = BundleParts(
        name="small",
        version="0",
        trained_on="phantom",
        summary="Random folds, for tests.",
        model=model,
        folds={0: inference_state(build(model).state_dict())},
        segmenters={name: shipped.segmenter_folder(name) for name in ("QSM", "NM")},
        margin_mm=5.0,
        margin_slices=1,
        absent_roi_shapes=open_bundle(random_bundle).manifest.absent_roi_shapes,
    )
    write_bundle(parts, destination, card="A card.")
    return destination
