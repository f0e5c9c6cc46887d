"""``mrn challenge predict``: cases that are done, refused, or only look done."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from predict_cases import BRAINSTEM, FILES, cases, read, states

from MRNLib.cli.console import EXIT_SOME_FAILED


def test_a_refused_classification_leaves_masks_and_a_stand_in(predict, networks, tmp_path):
    predict()
    out = tmp_path / "outputs" / "RJPD_001"
    assert (out / "PD_prob.txt").exists()
    networks.left_out = BRAINSTEM
    code, events, _ = predict()
    case = cases(events)["RJPD_001"]
    assert code == EXIT_SOME_FAILED
    assert (case["state"], case["vote"], case["probability_pd"]) == ("no vote", 0, None)
    assert "NM" in case["text"]
    assert "QSM2" in case["text"]
    assert events[-1]["without_vote"] == 1
    # A probability of an earlier run must not stand beside the stand-in.
    assert {path.name for path in out.iterdir()} == FILES - {"PD_prob.txt"}
    assert (out / "PD_pred.txt").read_text(encoding="utf-8") == "0"
    assert set(np.unique(read(out / "QSM_pred.nii.gz")[1])) == {0, *range(1, 9), 15, 16}
    # It is no finished case either.
    assert states(predict("--skip-existing")[1])["RJPD_001"] == "no vote"


def test_a_stand_in_is_never_taken_for_a_vote(predict, inputs, networks, tmp_path):
    """Not even where no PD_prob.txt is asked for, whose absence would tell."""
    for name in ("RJPD_002", "sub-3"):
        shutil.rmtree(inputs / name)
    out = tmp_path / "outputs" / "RJPD_001"
    networks.left_out = BRAINSTEM
    for options in ((), ("--skip-existing",), ("--skip-existing",)):
        code, events, _ = predict("--no-probability", *options)
        assert (code, states(events)) == (EXIT_SOME_FAILED, {"RJPD_001": "no vote"})
        assert events[-1]["without_vote"] == 1
    assert {path.name for path in out.iterdir()} == FILES - {"PD_prob.txt"}
    networks.left_out = {}
    assert states(predict("--no-probability", "--skip-existing")[1]) == {"RJPD_001": "done"}
    assert [path.name for path in out.parent.iterdir()] == ["RJPD_001"]
    code, events, _ = predict("--no-probability", "--skip-existing")
    assert (code, states(events)) == (0, {"RJPD_001": "done before"})


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("content", [b"", b"no such thing"])
def test_files_that_are_none_are_no_finished_case(predict, tmp_path, name, content):
    predict()
    (tmp_path / "outputs" / "RJPD_001" / name).write_bytes(content)
    assert states(predict("--skip-existing")[1])["RJPD_001"] == "done"


def test_an_inverted_map_fails_and_inverted_nuclei_leave_a_stand_in(
    predict, inputs, small_case, tmp_path
):
    """The whole map is refused before anything is outlined, nuclei alone only afterwards."""
    path = inputs / "RJPD_001" / "QSM.nii.gz"
    upright, values = read(path)
    _, labels = read(small_case / "QSM_mask.nii.gz")

    def write(array):
        image = sitk.GetImageFromArray(array)
        image.CopyInformation(upright)
        sitk.WriteImage(image, str(path))

    write(-values)
    case = cases(predict()[1])["RJPD_001"]
    assert case["state"] == "failed"
    assert "its sign is inverted" in case["text"]
    assert not (tmp_path / "outputs" / "RJPD_001").exists()
    write(np.where(labels > 0, np.float32(-30), values))
    case = cases(predict()[1])["RJPD_001"]
    assert case["state"] == "no vote"
    assert "its sign is inverted" in case["text"]
    files = {path.name for path in (tmp_path / "outputs" / "RJPD_001").iterdir()}
    assert files == FILES - {"PD_prob.txt"}


def test_existing_predictions_are_passed_over_on_request(predict, tmp_path):
    predict("--no-probability")
    out = tmp_path / "outputs" / "RJPD_001"
    assert {path.name for path in out.iterdir()} == FILES - {"PD_prob.txt"}
    (out / "PD_pred.txt").write_text("1")
    before = (out / "QSM_pred.nii.gz").stat().st_mtime_ns
    code, events, _ = predict("--no-probability", "--skip-existing")
    assert (code, states(events)["RJPD_001"]) == (EXIT_SOME_FAILED, "done before")
    assert (out / "QSM_pred.nii.gz").stat().st_mtime_ns == before
    assert states(predict("--skip-existing")[1])["RJPD_001"] == "done"  # its probability lacks
    (out / "NM_pred.nii.gz").unlink()
    assert states(predict("--skip-existing")[1])["RJPD_001"] == "done"
