"""Which nuclei keep their largest part alone: chosen by the challenge's score, then applied."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from toys import as_image, dice, toy_head, write_cohort

from MRNLib.cases import read_cohort
from MRNLib.challenge.heldout import cohort_pairs, folds_pairs
from MRNLib.challenge.postprocessing import (
    ENOUGH,
    OUTLINED,
    Comparison,
    choose,
    compare,
    doubts,
    page,
)
from MRNLib.errors import BundleError, InputError
from MRNLib.nnunet.commands import Workspace, write_split
from MRNLib.nnunet.stored import load
from MRNLib.rois import without_strays
from MRNLib.segmentation import Segmenter, import_nnunet_results

DATASET = "Dataset504_PDSegNM"


def test_a_stray_voxel_counts_by_its_distance():
    truth = np.zeros((4, 10, 40), np.uint8)
    truth[1:3, 2:6, 2:6] = 1
    predicted = truth.copy()
    predicted[1, 2, 25] = 1
    (found,) = compare([(truth, predicted)], {1: "one"})
    assert (found.cases, found.changed) == (1, 1)
    assert found.dice == pytest.approx((2 * 32 / (32 + 33), 1.0))
    assert found.hausdorff == pytest.approx((20.0, 0.0))
    assert found.helps


def test_a_nucleus_that_truly_has_two_parts_keeps_them():
    truth = np.zeros((4, 10, 40), np.uint8)
    truth[1:3, 2:6, 2:6] = 1
    truth[1:3, 2:6, 12:15] = 1
    (found,) = compare([(truth, truth)], {1: "one"})
    assert found.changed == 1
    assert found.hausdorff == pytest.approx((0.0, 9.0))
    assert not found.helps


def test_only_cases_that_have_the_nucleus_twice_count():
    truth = np.zeros((4, 10, 40), np.uint8)
    truth[1:3, 2:6, 2:6] = 1
    there, missing = compare([(truth, truth), (truth, truth * 0)], {1: "one", 2: "two"})
    assert (there.cases, there.changed) == (1, 0)
    assert there.helps, "the largest part of one costs nothing"
    assert missing.cases == 0
    assert np.isnan(missing.dice).all()
    assert not missing.helps
    assert page("NM", [there, missing]).count("| kept alone |") == 1


def test_a_nucleus_that_is_not_outlined_is_left_alone():
    """A few voxels that touch it, and more elsewhere: the largest part would be chance."""
    truth = np.zeros((4, 10, 40), np.uint8)
    truth[1:3, 1:9, 2:12] = 1
    predicted = np.zeros_like(truth)
    predicted[1, 2:5, 2:4] = 1
    predicted[1, 2, 30] = 1
    pairs = [(truth, predicted)] * ENOUGH
    (found,) = compare(pairs, {1: "one"})
    assert 0 < found.dice[0] < OUTLINED
    assert found.hausdorff[1] < found.hausdorff[0]
    assert not found.helps
    assert "| not outlined |" in page("NM", [found])
    (said,) = doubts([found])
    assert said == "not outlined (no mean Dice of 0.1 or more), so nothing was chosen: all"


def test_a_choice_on_few_cases_is_doubted():
    def compared(name, cases, dice):
        return Comparison(1, name, cases, 0, (dice, dice), (1.0, 1.0))

    enough, few = compared("CN left", ENOUGH, 0.9), compared("CN right", ENOUGH - 1, 0.9)
    assert doubts([enough]) == []
    (said,) = doubts([enough, few, compared("RN left", 4, 0.9)])
    assert "fewer than 10 held-out cases (4 to 9)" in said
    assert said.endswith(": CN right, RN left")
    missed = compared("RN right", 0, float("nan"))
    said = doubts([enough, missed, few])
    assert [line.split(": ")[-1] for line in said] == ["RN right", "CN right"]


def head_with_decoy() -> sitk.Image:
    """A toy head with a bright speck that looks like a piece of a nucleus."""
    nm, _ = toy_head(50)
    nm[7:9, 12:16, 30:34] += 5000
    return as_image(nm)


def test_the_segmenter_keeps_what_its_settings_say(trained):
    stored = load(trained.segmenter)
    image = head_with_decoy()
    everything = sitk.GetArrayFromImage(Segmenter(stored).segment(image))
    expected = without_strays(everything, (1,))
    assert (expected != everything).any(), "the network sees no speck, so the test shows nothing"
    settings = stored.settings.model_copy(update={"keep_largest": (1,)})
    found = Segmenter(replace(stored, settings=settings)).segment(image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), expected)


def test_the_choice_is_made_on_held_out_cases_and_kept(trained, tmp_path):
    """A held-out head with a speck far from its nuclei, in a split of its own."""
    raw = tmp_path / "raw" / DATASET
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    sitk.WriteImage(head_with_decoy(), str(raw / "imagesTr" / "HELD_0000.mha"))
    sitk.WriteImage(as_image(toy_head(50)[1]), str(raw / "labelsTr" / "HELD.mha"))
    workspace = Workspace(tmp_path)
    (tmp_path / "preprocessed" / DATASET).mkdir(parents=True)
    write_split(workspace, DATASET, [(["OTHER"], ["HELD"])])
    segmenter = shutil.copytree(trained.segmenter, tmp_path / "segmenter")

    compared = choose(segmenter, folds_pairs(segmenter, workspace, DATASET))

    helped = [one.label for one in compared if one.helps]
    assert helped, "no part was removed, so the test shows nothing"
    settings = json.loads((segmenter / "settings.json").read_text(encoding="utf-8"))
    assert settings["keep_largest"] == helped
    assert settings["folds"] == [0]
    assert "| kept alone |" in page("NM", compared)
    # Chosen again, it starts from the network's own outlines, not from what is kept now.
    assert choose(segmenter, folds_pairs(segmenter, workspace, DATASET)) == compared


def test_the_choice_on_other_patients_is_made_in_their_own_geometry(trained, tmp_path):
    write_cohort(tmp_path, 2)
    cases = read_cohort(tmp_path)
    pairs = list(cohort_pairs(trained.segmenter, "NM", cases))
    assert len(pairs) == 2
    for (truth, predicted), seed in zip(pairs, range(2), strict=True):
        np.testing.assert_array_equal(truth, toy_head(seed)[1])
        assert dice(as_image(truth), as_image(predicted), 1) > 0.5
    # One that cannot be used is said and left out; without any there is nothing to choose by.
    said: list[str] = []
    mixed = [replace(cases[0], nm_mask=None), cases[1]]
    assert len(list(cohort_pairs(trained.segmenter, "NM", mixed, skipped=said.append))) == 1
    assert len(said) == 1
    assert said[0].startswith("TOY_000: left out. no NM mask")
    with pytest.raises(InputError, match="none of 1 cases"):
        list(cohort_pairs(trained.segmenter, "NM", mixed[:1]))


def test_a_fold_without_held_out_cases_is_refused(trained, tmp_path):
    (tmp_path / "preprocessed" / DATASET).mkdir(parents=True)
    write_split(Workspace(tmp_path), DATASET, [])
    with pytest.raises(BundleError, match="fold 0 is not one of the 0"):
        list(folds_pairs(trained.segmenter, Workspace(tmp_path), DATASET))


def test_without_a_prepared_dataset_the_choice_cannot_be_made(trained, tmp_path):
    with pytest.raises(InputError, match="prepare the dataset first"):
        list(folds_pairs(trained.segmenter, Workspace(tmp_path), DATASET))


def test_an_untrained_fold_is_not_imported(trained, tmp_path):
    with pytest.raises(BundleError, match="fold 3 is not trained"):
        import_nnunet_results(trained.results, tmp_path / "out", folds=[0, 3])
    assert not (tmp_path / "out").exists()
