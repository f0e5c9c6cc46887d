"""What a user can get wrong with a training, through the commands: one clear error each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cohort_helpers import write_cohort
from safetensors.torch import save_file
from script_helpers import script

from MRNLib.training.checkpoint import write_checkpoint
from MRNLib.training.folder import CHECKPOINT


def said(capsys, name: str, arguments: list[str]) -> str:
    """The command's error, which must be one: a few lines and no traceback."""
    assert script(name).main(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert 1 <= len(error.strip().splitlines()) <= 3
    return error


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (["train.lr_backbon=1"], "did you mean train.lr_backbone?"),
        (["model.kind=seres"], "did you mean seres10?"),
        (["model.kind=seres10"], "unknown setting model.backbone"),
        (["model.sfa_blocks=-1"], "setting model: "),
        (["train.micro_batch=0"], "setting train.micro_batch"),
        (["train.phase2_epochs=0"], "are both 0"),
        (["train.seed=2020-01-01"], "setting train.seed"),
        (["train.phase1_epochs=1", "loss.segmentation=0", "loss.contrastive=0"], "phase 1 has"),
    ],
)
def test_settings(training, capsys, settings, wanted):
    extra = [part for one in settings for part in ("--set", one)]
    assert wanted in said(capsys, "train_mrn", [*training, *extra])


def test_weights_that_are_not_these(training, tmp_path, capsys):
    text = tmp_path / "text.pth"
    text.write_text("not weights", encoding="utf-8")
    other = tmp_path / "other.safetensors"
    save_file({"cls_token": torch.zeros(1, 1, 768)}, other)
    for path, wanted in (
        (tmp_path / "none.pth", "No such weights file"),
        (text, "Not a weights file that can be read safely"),
        (other, "Not the weights of vit_base_patch14_reg4_dinov2"),
    ):
        error = said(capsys, "train_mrn", [*training, "--set", f"model.backbone.weights={path}"])
        assert f"{path}: {wanted}" in error


def test_one_class_only(training, tmp_path, capsys):
    for path in (tmp_path / "crops").glob("*[1357].npz"):
        path.unlink()
    error = said(capsys, "train_mrn", training)
    assert "all 4 patients have the same diagnosis" in error


def test_a_damaged_crop_file(training, tmp_path, capsys):
    path = tmp_path / "crops" / "case_003.npz"
    path.write_bytes(path.read_bytes()[:200])
    assert f"{path}: this is not a crop file" in said(capsys, "train_mrn", training)


def test_an_output_that_is_a_file(training, tmp_path, capsys):
    (tmp_path / "out").write_text("", encoding="utf-8")
    assert "This is a file, not a folder." in said(capsys, "train_mrn", training)


def test_a_checkpoint_of_something_else(training, tmp_path, capsys):
    folder = tmp_path / "out" / "fold_1"
    folder.mkdir(parents=True)
    write_checkpoint(folder / CHECKPOINT, {"a": torch.zeros(1)}, {"fold": [1, 4]})
    assert "holds a training with different settings" in said(capsys, "train_mrn", training)


def test_another_setting_is_named(training, tmp_path, capsys):
    assert script("train_mrn").main(training) == 0
    # How it is computed may change; what is computed may not.
    assert script("train_mrn").main([*training, "--set", "train.micro_batch=1"]) == 0
    error = said(capsys, "train_mrn", [*training, "--set", "loss.temperature=0.2"])
    assert "different settings (loss.temperature: 0.1 there, 0.2 here)" in error


def crop_arguments(cohort: Path) -> list[str]:
    return ["--data", str(cohort), "--out", str(cohort.parent / "crops"), "--workers", "1"]


def test_a_cohort_without_labels(tmp_path, capsys):
    write_cohort(tmp_path / "cohort")
    (tmp_path / "cohort" / "labels.csv").unlink()
    error = said(capsys, "prepare_crops", crop_arguments(tmp_path / "cohort"))
    assert "no diagnosis" in error
    assert not list((tmp_path / "crops").glob("*.npz"))


def test_a_cohort_with_a_missing_mask(tmp_path, capsys):
    write_cohort(tmp_path / "cohort")
    (tmp_path / "cohort" / "case_b" / "QSM_mask.nii.gz").unlink()
    error = said(capsys, "prepare_crops", crop_arguments(tmp_path / "cohort"))
    assert "case_b" in error
    assert "lacks a mask" in error
