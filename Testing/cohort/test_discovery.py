"""Which cases a folder holds, in both layouts, and what is said of those that are none."""

from __future__ import annotations

import pytest

from MRNLib.cohort.discovery import Patterns, find_cases, safe_name, without_masks
from MRNLib.errors import InputError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_the_challenges_layout(tmp_path):
    names = [f"B/{name}.nii.gz" for name in ("QSM", "NM", "T1", "QSM_mask", "NM_mask")]
    touch(tmp_path, *names, "A/QSM.nii.gz", "other/notes.txt")
    layout, found = find_cases(tmp_path)
    assert layout == "challenge"
    assert [(item.identifier, item.case is None) for item in found] == [("A", True), ("B", False)]
    assert "no NM file" in found[0].error
    assert found[1].case.qsm_mask.name == "QSM_mask.nii.gz"
    bare = without_masks(found[1]).case
    assert (bare.qsm_mask, bare.nm_mask, bare.t1.name) == (None, None, "T1.nii.gz")
    assert without_masks(found[0]) == found[0]


def test_bids_sessions_are_cases(tmp_path):
    touch(
        tmp_path,
        "sub-01/ses-01/anat/sub-01_ses-01_Chimap.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-nm_MTw.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-nm_MTw_dseg.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-nm_MTw.json",
        "sub-01/ses-01/anat/._sub-01_ses-01_Chimap.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz",
        "sub-01/ses-02/anat/sub-01_ses-02_run-1_Chimap.nii.gz",
        "sub-01/ses-02/anat/sub-01_ses-02_run-2_Chimap.nii.gz",
        "sub-01/ses-02/anat/sub-01_ses-02_MTR.nii",
        "sub-01/ses-03/anat/sub-01_ses-03_T1w.nii.gz",
        "sub-02/anat/sub-02_Chimap.nii.gz",
        "sub-03/func/sub-03_bold.nii.gz",
        "participants.tsv",
    )
    layout, found = find_cases(tmp_path)
    assert layout == "bids"
    assert [(item.identifier, item.subject) for item in found] == [
        ("sub-01_ses-01", "sub-01"),
        ("sub-01_ses-02", "sub-01"),
        ("sub-02", "sub-02"),
    ]
    case = found[0].case
    assert (case.qsm.name, case.nm.name) == (
        "sub-01_ses-01_Chimap.nii.gz",
        "sub-01_ses-01_acq-nm_MTw.nii.gz",
    )
    assert case.t1 is None
    assert case.identifier == "sub-01_ses-01"
    for name in ("run-1", "run-2", "--qsm-pattern", "2 files fit"):
        assert name in found[1].error
    assert len(found[1].error.splitlines()) <= 3
    assert "no NM file" in found[2].error
    narrow = Patterns(qsm="*_run-2_Chimap.nii*", t1="*_T1w.nii*", nm_mask="*_MTw_dseg.nii.gz")
    cases = [item.case for item in find_cases(tmp_path, narrow)[1]]
    assert [case and case.qsm.name for case in cases] == [
        None,
        "sub-01_ses-02_run-2_Chimap.nii.gz",
    ]
    full = find_cases(tmp_path, Patterns(t1="*_T1w.nii*", nm_mask="*_MTw_dseg.nii.gz"))[1][0].case
    assert full.t1.name == "sub-01_ses-01_T1w.nii.gz"
    assert full.nm_mask.name == "sub-01_ses-01_acq-nm_MTw_dseg.nii.gz"


def test_a_file_that_was_not_fetched(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_MTw.nii.gz")
    (tmp_path / "sub-01/anat/sub-01_Chimap.nii.gz").symlink_to("nowhere")
    (found,) = find_cases(tmp_path)[1]
    assert "link to nothing" in found.error


@pytest.mark.parametrize("files", [[], ["a/notes.txt"], ["sub-1/anat/sub-1_T1w.nii.gz"]])
def test_no_cases(tmp_path, files):
    touch(tmp_path, *files)
    with pytest.raises(InputError, match="holds no cases"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_cases(tmp_path / "nowhere")


@pytest.mark.parametrize("pattern", ["", "anat/*.nii", "a\\b"])
def test_a_pattern_is_of_a_name(pattern):
    with pytest.raises(InputError, match="not a pattern"):
        Patterns(nm=pattern)


def test_names_are_safe_and_unlike(tmp_path):
    assert [safe_name(name) for name in ("RJPD_001", "sub-01_ses-2", "Müller.1")] == [
        "RJPD_001",
        "sub-01_ses-2",
        "Müller.1",
    ]
    made = [safe_name(name) for name in ("a b", "a\nb", ".hidden", "-o", "..", "x" * 300, "=1+1")]
    assert len(set(made)) == len(made)
    for name in made:
        assert name[0] not in ".-="
        assert len(name) < 120
        assert not {"\n", " "} & set(name)
    touch(tmp_path, *(f"{name}/{role}.nii" for name in ("p1", "P1") for role in ("QSM", "NM")))
    found = find_cases(tmp_path)[1]
    assert [item.subject for item in found] == ["P1", "p1"]
    assert len({item.identifier.casefold() for item in found}) == 2
    assert [item.case.identifier for item in found] == [item.identifier for item in found]
