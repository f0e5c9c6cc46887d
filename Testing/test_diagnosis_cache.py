"""What a second diagnosis encodes: nothing but what has changed since the first."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from diagnosis_helpers import edited
from safetensors.torch import load_file, save_file

from MRNLib.diagnosis import Diagnoser
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters


def test_a_rerun_from_the_cache_encodes_nothing(phantom_case, random_bundle, tmp_path):
    parameters = Parameters(bundle=str(random_bundle), cache=tmp_path / "cache")
    first = Diagnoser(parameters).diagnose(phantom_case).examination
    again = Diagnoser(parameters).diagnose(phantom_case).examination
    assert first.provenance["encodings"] == {"0": 40, "1": 40}  # 8, and 8 box moves of 4 ROIs
    assert again.provenance["encodings"] == {"0": 0, "1": 0}
    assert again.masking == first.masking
    assert again.jitter == first.jitter
    assert not any(roi.encoded for roi in again.rois)


def test_an_edit_inside_the_box_encodes_nothing(phantom_case, random_bundle, tmp_path):
    parameters = Parameters(bundle=str(random_bundle), jitter=False, cache=tmp_path / "cache")
    first = Diagnoser(parameters).diagnose(phantom_case).examination

    def erase_one_inner_voxel(array):
        inside = np.argwhere(array == 3)  # putamen, far from the outline of QSM1's box
        k, j, i = inside[len(inside) // 2]
        array[k, j, i] = 0

    case = edited(phantom_case, tmp_path, erase_one_inner_voxel)
    again = Diagnoser(parameters).diagnose(case).examination
    assert again.provenance["encodings"] == {"0": 0, "1": 0}
    assert again.probability_pd == first.probability_pd
    assert again.biomarkers != first.biomarkers


def test_an_edit_that_moves_one_box_encodes_that_roi_only(phantom_case, random_bundle, tmp_path):
    parameters = Parameters(bundle=str(random_bundle), jitter=False, cache=tmp_path / "cache")
    first = Diagnoser(parameters).diagnose(phantom_case).examination

    def cut_the_lowest_slice_of_the_dentate_nuclei(array):
        lowest = np.flatnonzero((array >= 15).any(axis=(1, 2)))[0]
        array[lowest][array[lowest] >= 15] = 0

    case = edited(phantom_case, tmp_path, cut_the_lowest_slice_of_the_dentate_nuclei)
    again = Diagnoser(parameters).diagnose(case).examination
    moved = [a.name for a, b in zip(again.rois, first.rois, strict=True) if a.box != b.box]
    assert moved == ["QSM3"]
    assert [roi.name for roi in again.rois if roi.encoded] == ["QSM3"]
    assert again.provenance["encodings"] == {"0": 2, "1": 2}  # the crop, and a blank of its shape


@pytest.mark.parametrize(("part", "encoded"), [("encoder", 8), ("head", 0)])
def test_other_encoder_weights_are_encoded_anew(
    phantom_case, random_bundle, tmp_path, part, encoded
):
    """Another head reads the same tokens; another encoder has none yet."""
    common = {"jitter": False, "cache": tmp_path / "cache"}
    before = Diagnoser(Parameters(bundle=str(random_bundle), **common)).diagnose(phantom_case)
    copy = shutil.copytree(random_bundle, tmp_path / "bundle")
    name = f"mrn/fold_0.{part}.safetensors"
    state = {key: 0.5 * tensor for key, tensor in load_file(copy / name).items()}
    save_file(state, copy / name)
    data = (copy / name).read_bytes()
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    after = Diagnoser(Parameters(bundle=str(copy), **common)).diagnose(phantom_case)
    votes = [[fold.probability_pd for fold in one.examination.folds] for one in (before, after)]
    assert votes[0][0] != votes[1][0]
    assert votes[0][1] == votes[1][1]
    assert after.examination.provenance["encodings"] == {"0": encoded, "1": 0}


def test_precision_is_part_of_the_key(phantom_case, random_bundle, tmp_path):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        parameters = Parameters(bundle=str(random_bundle), precision="bf16")
        with pytest.raises(InputError, match="bf16"):
            Diagnoser(parameters).diagnose(phantom_case)
        return
    common = {"bundle": str(random_bundle), "jitter": False, "cache": tmp_path}
    Diagnoser(Parameters(**common)).diagnose(phantom_case)
    found = Diagnoser(Parameters(**common, precision="bf16")).diagnose(phantom_case).examination
    assert found.provenance["encodings"] == {"0": 8, "1": 8}
    assert found.provenance["precision"] == "bf16"


def test_a_rerun_from_cached_tokens_imports_torch_alone(phantom_case, random_bundle, tmp_path):
    parameters = Parameters(bundle=str(random_bundle), jitter=False, cache=tmp_path)
    Diagnoser(parameters).diagnose(phantom_case)
    script = f"""
import sys
from pathlib import Path
from MRNLib.casefiles import read_cohort
from MRNLib.diagnosis import Diagnoser
from MRNLib.parameters import Parameters
case = read_cohort({str(phantom_case.qsm.parent.parent)!r})[0]
parameters = Parameters(bundle={str(random_bundle)!r}, jitter=False, cache=Path({str(tmp_path)!r}))
found = Diagnoser(parameters).diagnose(case).examination
assert found.provenance["encodings"] == {{"0": 0, "1": 0}}
heavy = ("torch", "timm", "monai", "nnunetv2", "torchvision")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['torch']"
