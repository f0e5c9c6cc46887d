"""Whose and of what a file is, as its path tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from MRNLib.navigation.filenames import key_of, patient_of, role_of

SOURCE = Path("/data/all")


@pytest.mark.parametrize(
    ("path", "name", "role"),
    [
        ("P01/QSM.nii.gz", "P01", "QSM"),
        ("P01/anat/flair.nii", "P01", "other"),
        ("sub-03/ses-1/anat/sub-03_ses-1_acq-nm_MTw.nii.gz", "sub-03", "NM"),
        ("sub-03_Chimap.nii", "sub-03", "QSM"),
        ("site2/sub-03/swi/x.nii", "sub-03", "other"),
        ("P01_NM.nrrd", "P01", "NM"),
        ("P01_t1.mha", "P01", "T1"),
        ("T1_NM_P3.nii", "P3", "NM"),
        ("P3_T1_QSM.nii", "P3", "QSM"),
        ("NM_QSM_P3.nii", "P3", "NM"),
        ("NM.nii.gz", "all", "NM"),
        ("enamel.nii.gz", "enamel", "other"),
        ("\u738b\u4f1f/QSM.nii.gz", "\u738b\u4f1f", "QSM"),
        ("20200131_QSM.nii", "20200131", "QSM"),
        ("v1/QSM.nii", "all", "QSM"),
    ],
)
def test_paths_tell_whose_and_of_what_a_file_is(path, name, role):
    assert patient_of(SOURCE / path, SOURCE) == name
    assert role_of(SOURCE / path) == role


@pytest.mark.parametrize(
    "paths",
    [
        ["P001_2020_QSM.nii", "P001_2021_QSM.nii", "NM_P001_2021-03-04.nii", "P001.nii"],
        ["P-1_v1_QSM.nii", "P-1_v2_QSM.nii", "P-1/anything.nii", "P-1_ses-2/T1.nii"],
        ["P001/2020/QSM.nii", "P001/20210304/QSM.nii", "P001/ses-2/NM/scan.nii", "P001/t1.nii"],
        ["patients/P002/QSM.nii", "patients/P002/NM.nii", "patients/P002/visit_2/NM.nii"],
        ["QSM/P7.nii", "NM/P7.nii", "P7_T1.nii"],
    ],
)
def test_the_examinations_of_one_patient_are_one_patients(paths):
    assert len({patient_of(SOURCE / path, SOURCE) for path in paths}) == 1


@pytest.mark.parametrize(
    "paths",
    [
        ["controls/P001/QSM.nii", "controls/P002/QSM.nii", "patients/P003/QSM.nii"],
        ["P001_2020_QSM.nii", "P002_2020_QSM.nii", "P2020_QSM.nii"],
        ["P001/ses-1/QSM.nii", "P002/ses-1/QSM.nii"],
        ["V1_QSM.nii", "V2_QSM.nii"],
        ["0001/QSM.nii", "0002/QSM.nii"],
    ],
)
def test_patients_are_told_apart(paths):
    assert len({patient_of(SOURCE / path, SOURCE) for path in paths}) == len(paths)


def test_keys_are_fit_for_a_files_name_and_differ():
    paths = ["P1/QSM.nii", "P1/NM.nii", "P1/2020/QSM.nii", "\u738b" * 99 + "/QSM.nii", "P1" * 90]
    keys = {key_of(SOURCE / path, SOURCE) for path in paths}
    assert len(keys) == len(paths)
    for key in keys:
        assert key.isascii()
        assert len(key) < 120
