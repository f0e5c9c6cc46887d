"""What tests of predictions share: a small examination and a bundle that can outline it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from predict_cases import Network
from score_cases import write_cases

from MRNLib.cli.app import run

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


@pytest.fixture
def cases(tmp_path):
    return write_cases(tmp_path)


@pytest.fixture
def scoring(cases, tmp_path, capfd):
    """Runs the command; gives the exit code, the result and what was said."""

    def go(*options):
        truth, predictions = cases
        arguments = ["challenge", "score", str(truth), str(predictions), "--workers=1"]
        code = run([*arguments, f"--out={tmp_path / 'out'}", "--progress=json", *options])
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        events = [json.loads(line[5:]) for line in said.out.splitlines()]
        results = [event for event in events if event["event"] == "result"]
        return code, results[0] if results else None, said.err

    return go


@pytest.fixture
def networks(small_case, monkeypatch):
    """Puts the truth in nnU-Net's place, without the labels of ``left_out``."""

    state = SimpleNamespace(left_out={}, loaded=[])

    def from_bundle(folder):
        modality = folder.name.removeprefix("segmenter_").upper()
        state.loaded.append(modality)
        truth = small_case / f"{modality}_mask.nii.gz"
        return Network(truth, state.left_out.get(modality, ()))

    monkeypatch.setattr("MRNLib.segmentation.Segmenter.from_bundle", from_bundle)
    return state


@pytest.fixture
def inputs(small_case, tmp_path):
    """One sound case, one that lacks its NM file, one whose QSM file is damaged."""
    folder = tmp_path / "inputs"
    for name in ("RJPD_001", "RJPD_002", "sub-3"):
        shutil.copytree(small_case, folder / name)
        # Masks beside the volumes must not be looked at, and T1 is not needed.
        for file in ("QSM_mask.nii.gz", "NM_mask.nii.gz", "T1.nii.gz"):
            (folder / name / file).write_bytes(b"no image")
    (folder / "RJPD_002" / "NM.nii.gz").unlink()
    (folder / "sub-3" / "QSM.nii.gz").write_bytes(b"no image")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def predict(inputs, small_bundle, networks, tmp_path, capfd):
    """Runs the command; gives the exit code, the events and what was said of errors."""

    def go(*options, folder=inputs, bundle=small_bundle):
        arguments = ["challenge", "predict", str(folder), str(tmp_path / "outputs")]
        code = run([*arguments, f"--bundle={bundle}", "--progress=json", *options])
        said = capfd.readouterr()
        assert "Traceback" not in said.err + said.out
        return code, [json.loads(line[5:]) for line in said.out.splitlines()], said.err

    return go
