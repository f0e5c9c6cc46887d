from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import SimpleITK as sitk

from MRNLib.errors import Cancelled, InputError
from MRNLib.images import PHANTOM_MARK
from MRNLib.phantom import is_phantom, paint_case, sample_truth, write_case, write_cohort
from MRNLib.phantom.write import CHALLENGE_DIRECTION, identifier, write_bytes, write_labels

NAMES = ("QSM", "NM", "T1", "QSM_mask", "NM_mask")


@pytest.fixture(scope="module")
def folder(whole, tmp_path_factory):
    return write_case(whole, tmp_path_factory.mktemp("case") / identifier(whole.truth.seed))


def _hashes(folder) -> dict[str, str]:
    files = sorted(folder.iterdir())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_case_has_the_challenges_files_and_geometry(folder, whole):
    names = {f"{name}.nii.gz" for name in NAMES} | {"truth.json"}
    assert {file.name for file in folder.iterdir()} == names
    for name in NAMES:
        image = sitk.ReadImage(str(folder / f"{name}.nii.gz"))
        assert image.GetSize() == (300, 300, 70)
        assert image.GetDirection() == CHALLENGE_DIRECTION
        assert image.GetOrigin() == (0, 0, 0)
        assert image.GetSpacing() == pytest.approx((2 / 3, 2 / 3, 2), abs=1e-6)
        assert np.array_equal(sitk.GetArrayViewFromImage(image), getattr(whole, name.lower()))


def test_every_header_carries_the_mark(folder):
    for name in NAMES:
        image = sitk.ReadImage(str(folder / f"{name}.nii.gz"))
        assert image.GetMetaData("descrip") == PHANTOM_MARK
        assert is_phantom(image)


def test_headers_are_the_same_in_both_classes(control, affected, tmp_path):
    keys = []
    for phantom in (control, affected):
        case = write_case(phantom, tmp_path / phantom.truth.diagnosis)
        image = sitk.ReadImage(str(case / "NM.nii.gz"))
        keys.append({key: image.GetMetaData(key) for key in image.GetMetaDataKeys()})
    assert keys[0] == keys[1]


def test_files_are_the_same_bytes_again(control, tmp_path):
    first = write_case(control, tmp_path / "first")
    second = write_case(control, tmp_path / "elsewhere" / "second")
    assert _hashes(first) == _hashes(second)


def test_the_library_reads_a_case_as_a_phantom(folder):
    from MRNLib.images import read_volume

    volume = read_volume(folder / "QSM.nii.gz", "QSM")
    assert volume.phantom
    assert volume.warnings == ()


def test_the_truth_lies_beside_the_images(folder, whole):
    said = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert said["diagnosis"] == whole.truth.diagnosis
    assert said["latent"] == whole.truth.latent


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "not bytes")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_labels_are_merged_and_sorted(tmp_path):
    write_labels(tmp_path, {"PHM_2": sample_truth(2, "PD")})
    write_labels(tmp_path, {"PHM_1": sample_truth(1, "HC"), "PHM_2": sample_truth(2, "HC")})
    assert (tmp_path / "labels.csv").read_text(encoding="utf-8") == "ID,label\nPHM_1,0\nPHM_2,0\n"


def test_a_cohort_is_read_back_with_its_diagnoses(tmp_path):
    from MRNLib.casefiles import read_cohort

    told = []
    cases = write_cohort(
        tmp_path, 2, 9_700_000, progress=lambda f, m: told.append(f), modalities=("QSM", "NM")
    )
    assert [case.name for case in cases] == ["PHM_9700000", "PHM_9700001"]
    assert told[0] == 0.0
    assert told[-1] == 1.0
    found = {case.identifier: case.diagnosis for case in read_cohort(tmp_path)}
    assert found == {identifier(s): sample_truth(s).diagnosis for s in (9_700_000, 9_700_001)}


@pytest.mark.parametrize(("after", "whole"), [(0.0, 0), (0.2, 0), (0.5, 1)])
def test_cancelling_leaves_whole_cases_only(after, whole, tmp_path):
    """Before the first of two, while it is being made, and before the second."""

    def cancel(fraction: float, message: str) -> None:
        if fraction >= after:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        write_cohort(tmp_path / "cohort", 2, 0, progress=cancel, modalities=("NM",))
    assert len(list(tmp_path.glob("cohort/*/truth.json"))) == whole
    assert len(list(tmp_path.glob("cohort/*"))) == 2 * whole  # the case and the table


def test_tissue_goes_into_mask_files_of_any_orientation(control, tmp_path):
    paths = []
    for name, array in (("q", control.qsm_mask), ("n", control.nm_mask)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(control.spacing)
        image.SetDirection(CHALLENGE_DIRECTION)
        image.SetOrigin((3.0, -4.0, 5.0))
        paths.append(tmp_path / f"{name}.nii.gz")
        sitk.WriteImage(sitk.DICOMOrient(image, "RPI"), str(paths[-1]))
    case = paint_case(*paths, 9_600_001, "HC", tmp_path / "out", modalities=("QSM",))
    made = sitk.ReadImage(str(case / "QSM_mask.nii.gz"))
    assert np.array_equal(sitk.GetArrayViewFromImage(made), control.qsm_mask)
    assert made.GetOrigin() == pytest.approx((3.0, -4.0, 5.0), abs=1e-3)
    assert is_phantom(sitk.ReadImage(str(case / "QSM.nii.gz")))
    assert (tmp_path / "out" / "labels.csv").read_text(
        encoding="utf-8"
    ) == "ID,label\nPHM_9600001,0\n"


def test_masks_of_two_patients_are_refused(tmp_path):
    paths = []
    for size in (20, 24):
        paths.append(tmp_path / f"{size}.nii.gz")
        sitk.WriteImage(sitk.Image(size, size, size, sitk.sitkUInt8), str(paths[-1]))
    with pytest.raises(InputError, match="different sizes"):
        paint_case(*paths, 1, None, tmp_path)
