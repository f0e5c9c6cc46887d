"""What the training script hands to nnU-Net, and what it keeps."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import SimpleITK as sitk
from toys import write_cohort

from MRNLib.cases import read_cohort
from MRNLib.errors import InputError
from MRNLib.nnunet import plans
from MRNLib.nnunet.commands import Workspace
from MRNLib.nnunet.dataset import write_raw_dataset
from MRNLib.nnunet.stored import build_network


def test_images_are_canonical_before_nnunet_sees_them(tmp_path):
    write_cohort(tmp_path / "cohort", 2)
    dataset = write_raw_dataset(read_cohort(tmp_path / "cohort"), "NM", ["NM"], tmp_path / "raw")
    image = sitk.ReadImage(str(dataset.folder / "imagesTr" / "TOY_000_0000.mha"))
    label = sitk.ReadImage(str(dataset.folder / "labelsTr" / "TOY_000.mha"))
    assert np.allclose(image.GetDirection(), np.eye(3).ravel())
    original = sitk.ReadImage(str(tmp_path / "cohort" / "TOY_000" / "NM_mask.nii.gz"))
    expected = sitk.GetArrayFromImage(original)[:, ::-1]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label), expected)
    description = json.loads((dataset.folder / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "NM-SN right": 1, "NM-SN left": 2}
    assert dataset.identifier == 504


def test_two_channels_need_both_images(tmp_path):
    write_cohort(tmp_path / "cohort", 2)
    with pytest.raises(InputError, match="QSM, T1"):
        write_raw_dataset(read_cohort(tmp_path / "cohort"), "QSM", ["QSM", "T1"], tmp_path / "raw")


@pytest.mark.parametrize(("modality", "labels"), [("QSM", 17), ("NM", 3)])
def test_tiny_networks_are_tiny(trained, tmp_path, modality, labels):
    full = json.loads((trained.results / "plans.json").read_text())
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
    settings = json.loads((trained.segmenter / "settings.json").read_text())
    assert settings["trainer"] == plans.TINY_TRAINER
    log = next((trained.results / "fold_0").glob("training_log*.txt")).read_text()
    assert "Validation of whole volumes is left to MRN" in log
    kept = json.loads((trained.segmenter / "plans.json").read_text())
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
