"""What the training script hands to nnU-Net, and what it keeps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from toys import write_cohort

from MRNLib.cases import Case, folds, read_cohort
from MRNLib.errors import InputError
from MRNLib.nnunet import commands, plans
from MRNLib.nnunet.commands import Workspace
from MRNLib.nnunet.dataset import splits, write_raw_dataset
from MRNLib.nnunet.stored import build_network

TRAINING = Path(__file__).parents[2] / "Training"


def test_images_are_canonical_before_nnunet_sees_them(tmp_path):
    write_cohort(tmp_path / "cohort", 2)
    dataset = write_raw_dataset(read_cohort(tmp_path / "cohort"), "NM", ["NM"], tmp_path / "raw")
    image = sitk.ReadImage(str(dataset.folder / "imagesTr" / "TOY_000_0000.mha"))
    label = sitk.ReadImage(str(dataset.folder / "labelsTr" / "TOY_000.mha"))
    assert np.allclose(image.GetDirection(), np.eye(3).ravel())
    original = sitk.ReadImage(str(tmp_path / "cohort" / "TOY_000" / "NM_mask.nii.gz"))
    expected = sitk.GetArrayFromImage(original)[:, ::-1]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label), expected)
    description = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))
    assert description["labels"] == {"background": 0, "NM-SN right": 1, "NM-SN left": 2}
    assert dataset.identifier == 504


def test_two_channels_need_both_images(tmp_path):
    write_cohort(tmp_path / "cohort", 2)
    with pytest.raises(InputError, match="QSM, T1"):
        write_raw_dataset(read_cohort(tmp_path / "cohort"), "QSM", ["QSM", "T1"], tmp_path / "raw")


def test_cases_without_a_mask_are_left_out_and_named(tmp_path):
    write_cohort(tmp_path / "cohort", 4)
    (tmp_path / "cohort" / "TOY_001" / "NM_mask.nii.gz").unlink()
    dataset = write_raw_dataset(read_cohort(tmp_path / "cohort"), "NM", ["NM"], tmp_path / "raw")
    assert [case.identifier for case in dataset.cases] == ["TOY_000", "TOY_002", "TOY_003"]
    assert dataset.left_out_note() == ("NM: 1 of 4 cases left out (needed: NM, NM_mask): TOY_001")
    description = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))
    assert description["numTraining"] == len(list((dataset.folder / "labelsTr").iterdir())) == 3


def _cases(*diagnoses):
    return [Case(f"P{n:02d}", "", "", diagnosis=said) for n, said in enumerate(diagnoses)]


@pytest.mark.parametrize(
    "cases",
    [
        _cases(*[None] * 11),
        _cases(*["PD"] * 6, None, *["HC"] * 6),
        _cases(*["PD"] * 10, *["HC"] * 2),  # too few controls for a stratified split
    ],
    ids=["no_diagnoses", "one_unknown", "few_controls"],
)
def test_cases_without_diagnoses_are_split_by_identifier(cases):
    found = splits(cases)
    names = sorted(case.identifier for case in cases)
    assert sorted(name for _, held_out in found for name in held_out) == names
    assert all(sorted(kept + held_out) == names for kept, held_out in found)
    assert len(found) == 5
    assert splits(cases[::-1]) == found


def test_cases_with_diagnoses_are_split_as_everywhere():
    cases = _cases(*["PD", "HC"] * 6)
    expected = [
        ([case.identifier for case in kept], [case.identifier for case in held_out])
        for kept, held_out in folds(cases)
    ]
    assert splits(cases) == expected


def test_the_last_cases_can_be_held_out():
    assert splits(_cases(None, None, None)[::-1], 1) == [(["P00", "P01"], ["P02"])]


@pytest.mark.parametrize(
    ("number", "validation", "said"),
    [(4, None, "4 usable cases for 5 folds"), (3, 3, "--validation 3 of 3"), (3, 0, "1 to 2")],
)
def test_too_few_cases_to_split_are_told(number, validation, said):
    with pytest.raises(InputError) as caught:
        splits(_cases(*[None] * number), validation)
    assert said in str(caught.value)


def test_only_written_cases_are_in_the_split(tmp_path, monkeypatch, capsys):
    """One patient without a mask and no diagnoses at all: nnU-Net must not miss anybody later."""
    monkeypatch.syspath_prepend(str(TRAINING))
    import train_segmentation

    def no_planning(workspace, dataset, tiny):
        (workspace.root / "preprocessed" / dataset).mkdir(parents=True)

    monkeypatch.setattr(commands, "plan_and_preprocess", no_planning)
    write_cohort(tmp_path / "cohort", 7)
    (tmp_path / "cohort" / "TOY_004" / "NM_mask.nii.gz").unlink()
    arguments = ["prepare", "--data", str(tmp_path / "cohort"), "--work", str(tmp_path / "work")]
    assert train_segmentation.main([*arguments, "--modality", "NM"]) == 0
    assert "1 of 7 cases left out (needed: NM, NM_mask): TOY_004" in capsys.readouterr().out
    folder = "Dataset504_PDSegNM"
    written = json.loads(
        (tmp_path / "work" / "preprocessed" / folder / "splits_final.json").read_text(
            encoding="utf-8"
        )
    )
    there = {path.stem for path in (tmp_path / "work" / "raw" / folder / "labelsTr").iterdir()}
    assert len(there) == 6
    for fold in written:
        assert set(fold["train"]) | set(fold["val"]) == there


@pytest.mark.parametrize(("modality", "labels"), [("QSM", 17), ("NM", 3)])
def test_tiny_networks_are_tiny(trained, tmp_path, modality, labels):
    full = json.loads((trained.results / "plans.json").read_text(encoding="utf-8"))
    small = plans.tiny_plans(full, plans.TINY[modality])
    dataset = {
        "labels": {"background": 0} | {f"n{label}": label for label in range(1, labels)},
        "channel_names": {"0": modality},
    }
    network = build_network(small, dataset, plans.CONFIGURATION, tmp_path)
    assert sum(value.numel() for value in network.parameters()) <= 500_000
    schedule = plans.TINY[modality].schedule
    assert schedule.epochs * schedule.iterations <= 5000


def test_training_does_not_mirror_and_is_named_for_what_it_is(trained):
    settings = json.loads((trained.segmenter / "settings.json").read_text(encoding="utf-8"))
    assert settings["trainer"] == plans.TINY_TRAINER
    log = next((trained.results / "fold_0").glob("training_log*.txt")).read_text(encoding="utf-8")
    assert "Validation of whole volumes is left to MRN" in log
    kept = json.loads((trained.segmenter / "plans.json").read_text(encoding="utf-8"))
    assert kept["configurations"]["3d_fullres"]["mrn_training"]["iterations"] == 300
    import torch

    checkpoint = torch.load(trained.results / "fold_0" / "checkpoint_final.pth", weights_only=False)
    assert checkpoint["inference_allowed_mirroring_axes"] is None


def test_commands_get_an_environment_of_their_own(tmp_path):
    before = dict(os.environ)
    environment = Workspace(tmp_path).environment()
    assert environment["nnUNet_raw"] == str(tmp_path / "raw")
    assert dict(os.environ) == before
    assert "nnUNet_raw" not in before
