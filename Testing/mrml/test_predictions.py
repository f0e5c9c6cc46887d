"""What the panel says a diagnosis would read again is what a real one does, setting by setting."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from MRNDiagnosisLib import segmentations, volumes
from MRNDiagnosisLib.case import Inputs, prepare
from MRNDiagnosisLib.freshness import fingerprint, recompute

from MRNLib.anatomy import ROI_NAMES
from MRNLib.parameters import Parameters

# By name: the settings of the first run, and of the second.
CHANGES = {
    "nothing": ({}, {}),
    "another fold": ({"folds": (0,)}, {"folds": (1,)}),
    "fewer folds": ({}, {"folds": (1,)}),
    "all folds": ({"folds": (0,)}, {}),
    "mirrored": ({}, {"tta": True}),
    "not mirrored": ({"tta": True}, {}),
    "precision": ({}, {"precision": "bf16"}),
    "margin": ({}, {"margin_mm": 9.0}),
    "left out": ({}, {"masked": ("QSM3",)}),
    "used again": ({"masked": ("QSM3",)}, {}),
    "jitter": ({}, {"jitter": True}),
}


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """What a first run with given settings kept, by settings."""
    return tmp_path_factory.mktemp("caches")


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_read_again_is_what_was_said(
    name, scene, phantom_case, random_bundle, caches, tmp_path
):
    from MRNLib.diagnosis import Diagnoser

    qsm = volumes.load(scene, phantom_case.qsm, "QSM")
    nm = volumes.load(scene, phantom_case.nm, "NM")
    show = segmentations.show_mask
    inputs = Inputs(
        qsm,
        nm,
        None,
        show(scene, phantom_case.qsm_mask, "QSM", qsm, "QSM nuclei"),
        show(scene, phantom_case.nm_mask, "NM", nm, "NM nuclei"),
    )
    case, grid = prepare(inputs, tmp_path), volumes.canonical_grid(qsm)
    plain = Parameters(bundle=str(random_bundle), jitter=False)
    first, second = (replace(plain, **values) for values in CHANGES[name])
    kept = caches / (", ".join(CHANGES[name][0]) or "plain")
    if not kept.exists():
        Diagnoser(replace(first, cache=kept)).diagnose(case)
    cache = shutil.copytree(kept, tmp_path / "cache")
    found = Diagnoser(replace(second, cache=cache)).diagnose(case).examination
    before, now = (fingerprint(inputs, values, grid) for values in (first, second))
    encoded = [row.name for row in found.rois if row.encoded]
    words = "all four ROIs" if encoded == list(ROI_NAMES) else " and ".join(encoded) or "no ROI"
    said = recompute(before, now)
    if name == "nothing":
        assert said.startswith("Nothing changed")
        assert encoded == []
    else:
        assert f"Reads {words} with the model again" in said
