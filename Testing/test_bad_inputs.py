"""Every row of the table of inputs that go wrong, through the library."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs import ROWS, Row
from bad_inputs.grids import NAMES
from bad_inputs.patient import rois_of, sound

from MRNLib.cases import Case, load_case
from MRNLib.cli.app import run
from MRNLib.errors import InputError
from MRNLib.images import restore
from MRNLib.quality import check_rois

BY_NAME = {row.name: row for row in ROWS}
USED = [row for row in ROWS if row.kind == "used"]
# The same voxels as the sound patient's, on another way to them.
SAME = [row for row in USED if row.name != "huge"]

# Two float32 volumes and two uint8 masks stay (10 bytes per voxel); as much again and a little more
# comes and goes while they are read and judged.
MOST_BYTES_PER_VOXEL = 28
LOAD = """
import sys
from pathlib import Path
from MRNLib.cases import Case, load_case
qsm, nm, qsm_mask, nm_mask = map(Path, sys.argv[1:])
load_case(Case("P", qsm, nm, None, qsm_mask, nm_mask))
"""
# A new process counts its parent's memory as its own peak until it has become another program, so
# a small one stands between this test run and the one that is measured.
MEASURE = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-c", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def warnings_of(paths, load) -> tuple[str, ...]:
    """What the library says about a patient on the way from the files to the ROIs."""
    images = load_case(Case("P", **paths), **load)
    return (*images.warnings, *check_rois(images, rois_of(images)))


def test_a_sound_patient_causes_no_word(tmp_path):
    assert warnings_of(sound().write(tmp_path), {}) == ()


def test_every_row_has_its_own_name():
    assert len(BY_NAME) == len(ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "error"], ids=lambda r: r.name)
def test_refused_with_what_where_and_what_to_do(row: Row, tmp_path):
    paths = row.build(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError) as caught:
        warnings_of(paths, row.load)
    said = str(caught.value)
    assert 1 <= len(said.splitlines()) <= 3, said
    for fragment in (*row.expected, *(str(paths[role]) for role in row.names)):
        assert fragment in said
    assert caught.value.remedy
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("row", USED, ids=lambda r: r.name)
def test_used_without_a_word(row: Row, tmp_path):
    assert warnings_of(row.build(tmp_path), row.load) == ()


@pytest.mark.parametrize("row", SAME, ids=lambda r: r.name)
def test_used_voxel_for_voxel(row: Row, tmp_path):
    patient = sound()
    paths = row.build(tmp_path)
    images = load_case(Case("P", **paths))
    found = (images.qsm.image, images.nm.image, images.qsm_mask, images.nm_mask)
    for name, image in zip(NAMES, found, strict=True):
        canonical = getattr(patient, name)[:, ::-1]
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), canonical)
        assert image.GetSpacing() == pytest.approx(patient.spacing)
    back = restore(images.qsm_mask, images.qsm)
    assert back.GetSize() == sitk.ReadImage(str(paths["qsm"])).GetSize()[:3]
    upright = sitk.DICOMOrient(back, "LPS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(upright), patient.qsm_mask[:, ::-1])


@pytest.mark.parametrize("row", SAME, ids=lambda r: r.name)
def test_used_by_the_command_line_like_the_sound_patient(row: Row, tmp_path, random_bundle, capfd):
    results = []
    for name, build in (("sound", sound().write), ("row", row.build)):
        (tmp_path / name).mkdir()
        files = [
            f"--{role.replace('_', '-')}={path}" for role, path in build(tmp_path / name).items()
        ]
        out = tmp_path / f"{name}_out"
        options = (f"--bundle={random_bundle}", f"--out={out}", "--no-jitter", "--progress=none")
        assert run(["diagnose", *files, *options]) == 0
        results.append(json.loads((out / "diagnosis.json").read_text("utf-8")))
    one, other = results
    assert other["probability_pd"] == pytest.approx(one["probability_pd"], abs=1e-6)
    assert other["warnings"] == one["warnings"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_huge_case_is_loaded_in_bounded_memory(tmp_path):
    pytest.importorskip("resource")
    for name in ("sound", "huge"):
        (tmp_path / name).mkdir()
    paths = BY_NAME["huge"].build(tmp_path / "huge")
    header = sitk.ImageFileReader()
    header.SetFileName(str(paths["qsm"]))
    header.ReadImageInformation()
    voxels = int(np.prod(header.GetSize()))
    assert voxels > 25_000_000
    used = _peak(paths) - _peak(sound().write(tmp_path / "sound"))
    assert 4 * voxels < used < MOST_BYTES_PER_VOXEL * voxels


def _peak(paths) -> int:
    """Peak resident memory in bytes of a process that loads a case."""
    command = [sys.executable, "-c", MEASURE, LOAD, *(str(paths[name]) for name in NAMES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.kind == "warning"], ids=lambda r: r.name
)
def test_used_with_a_warning(row: Row, tmp_path):
    paths = row.build(tmp_path)
    said = "\n".join(warnings_of(paths, row.load))
    for fragment in (*row.expected, *(str(paths[role]) for role in row.names)):
        assert fragment in said
