"""The training script as a user calls it: refusals, post-processing, and a network with T1."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
import torch
from toys import write_cohort

from MRNLib.cases import read_cohort
from MRNLib.errors import InputError
from MRNLib.nnunet import commands, plans
from MRNLib.nnunet.commands import Workspace, require_split, write_split
from MRNLib.nnunet.dataset import write_raw_dataset

DATASET = "Dataset504_PDSegNM"
NM = ("--modality", "NM", "--scale", "tiny")
TRAINING = Path(__file__).parents[2] / "Training"


@pytest.fixture
def run(monkeypatch):
    """The script's command line."""
    monkeypatch.syspath_prepend(str(TRAINING))
    import train_segmentation

    return lambda *words: train_segmentation.main([str(word) for word in words])


def test_a_fold_that_is_not_in_the_split_is_refused(run, trained, capsys):
    """nnU-Net would train it on a split of its own, on patients who are held out here."""
    words = ("train", "--work", trained.work, *NM, "--device", "cpu")
    assert run(*words, "--fold", "1") == 2
    said = capsys.readouterr().err
    assert "--fold 1 of Dataset504_PDSegNM" in said
    assert "0 to 0" in said
    assert not (trained.results / "fold_1").exists()


def test_steps_out_of_turn_are_told_apart(run, tmp_path, capsys):
    assert run("train", "--work", tmp_path, *NM, "--device", "cpu") == 2
    assert "prepare the dataset first" in capsys.readouterr().err
    assert run("import", "--work", tmp_path, "--out", tmp_path / "out", *NM) == 2
    assert "finish the training first" in capsys.readouterr().err
    assert run("postprocess", "--out", tmp_path) == 2
    assert "name either --work or --data" in capsys.readouterr().err


@pytest.fixture
def started(monkeypatch):
    """What would have been started of nnU-Net, on a machine without a GPU."""
    commands_started = []

    def noted(workspace, command, *arguments, **settings):
        commands_started.append((command, *arguments))

    monkeypatch.setattr(commands, "run", noted)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return commands_started


def test_a_device_is_found_before_nnunet_is_started(
    run, trained, started, monkeypatch, tmp_path, capsys
):
    words = ("train", "--work", trained.work, *NM)
    assert run(*words, "--device", "cuda") == 2
    said = capsys.readouterr().err.strip()
    assert "PyTorch finds none" in said
    assert "--device cpu" in said
    assert len(said.splitlines()) <= 3
    assert started == []
    # The default takes what is there.
    assert run(*words) == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert run(*words) == 0
    assert [one[one.index("-device") + 1] for one in started] == ["cpu", "cuda"]


def test_no_masks_without_the_gpu_that_was_asked_for(run, trained, started, tmp_path, capsys):
    import evaluate_segmentation

    shutil.copytree(trained.segmenter, tmp_path / "segmenter_nm")
    words = ("--out", tmp_path, "--work", trained.work, "--modality", "NM", "--device", "cuda")
    assert run("postprocess", *words) == 2
    assert "PyTorch finds none" in capsys.readouterr().err
    write_cohort(tmp_path / "cohort", 1)
    outline = ["outline", "--data", tmp_path / "cohort", "--segmenters", tmp_path]
    outline += ["--out", tmp_path / "masks", "--device", "cuda"]
    assert evaluate_segmentation.main([str(word) for word in outline]) == 2
    assert "PyTorch finds none" in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize("step", ["train", "import"])
def test_another_scale_than_it_was_prepared_with_is_refused(
    run, trained, started, tmp_path, capsys, step
):
    words = ["--out", tmp_path / "out"] if step == "import" else []
    assert run(step, "--work", trained.work, "--modality", "NM", *words) == 2
    said = capsys.readouterr().err
    assert f"{trained.work}: NM: {DATASET} was prepared with --scale tiny" in " ".join(said.split())
    assert "give --scale tiny" in said
    assert started == []


def test_the_full_networks_are_not_trained_on_a_cpu_without_a_word(run, started, tmp_path, capsys):
    folder = tmp_path / "preprocessed" / DATASET
    (folder / f"{plans.FULL_PLANS}_{plans.CONFIGURATION}").mkdir(parents=True)
    write_split(Workspace(tmp_path), DATASET, [(["A"], ["B"])])
    words = ("train", "--work", tmp_path, "--modality", "NM")
    assert run(*words) == 0
    assert "--scale tiny" in capsys.readouterr().err
    assert len(started) == 1
    assert run(*words, "--scale", "tiny") == 2
    assert "was prepared with --scale full" in capsys.readouterr().err
    # Prepared with both, either is trained.
    (folder / f"{plans.TINY_PLANS}_{plans.CONFIGURATION}").mkdir()
    assert run(*words, "--scale", "tiny") == 0
    assert "--scale" not in capsys.readouterr().err
    assert len(started) == 2


def test_nothing_is_done_for_one_modality_where_the_other_cannot_be(
    run, trained, started, tmp_path, capsys
):
    """Both are the default; QSM is not prepared, not trained, not imported here."""
    out, tiny = tmp_path / "out", ("--scale", "tiny")
    work = ("--work", trained.work)
    for step, words in (
        ("train", (*work, *tiny)),
        ("import", (*work, *tiny, "--out", out)),
    ):
        assert run(step, *words) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "QSM: " in said
        assert "leave QSM out: --modality NM" in said
    assert started == []
    assert not out.exists()
    assert run("import", *work, *tiny, "--out", out, "--modality", "NM") == 0
    assert run("postprocess", *work, "--out", out) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "segmenter_qsm: QSM: no trained network" in said
    assert "leave QSM out: --modality NM" in said
    assert not (out / "postprocessing_nm.md").exists()


def test_help_says_what_the_scales_are_and_how_long_a_training(run, capsys):
    for step in ("prepare", "train", "import"):
        assert run(step, "--help") == 0
        said = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "250 epochs" in said
        assert "narrow network" in said
        assert "above" not in said
        if step == "prepare":
            for name, plan in plans.TINY.items():
                assert f"{name} {plan.schedule.epochs}" in said


def test_trained_folds_keep_their_split(trained):
    workspace = Workspace(trained.work)
    names = [f"TOY_{number:03d}" for number in range(5)]
    require_split(workspace, DATASET, [(names[:4], names[4:])])
    with pytest.raises(InputError, match="folds of other cases are trained here already"):
        require_split(workspace, DATASET, [(names[1:], names[:1])])


def test_without_trained_folds_the_split_may_change(tmp_path):
    workspace = Workspace(tmp_path)
    (tmp_path / "preprocessed" / DATASET).mkdir(parents=True)
    write_split(workspace, DATASET, [(["A"], ["B"])])
    require_split(workspace, DATASET, [(["B"], ["A"])])


def test_a_dataset_is_not_made_of_other_channels(tmp_path):
    write_cohort(tmp_path / "cohort", 2)
    cases = read_cohort(tmp_path / "cohort")
    write_raw_dataset(cases, "NM", ["NM"], tmp_path / "raw")
    with pytest.raises(InputError, match="there with NM, and NM \\+ QSM was asked for"):
        write_raw_dataset(cases, "NM", ["NM", "QSM"], tmp_path / "raw")


def test_a_corrected_mask_takes_the_place_of_the_old_one(tmp_path):
    write_cohort(tmp_path / "cohort", 2)
    cases = read_cohort(tmp_path / "cohort")
    labels = write_raw_dataset(cases, "NM", ["NM"], tmp_path / "raw").folder / "labelsTr"
    image = sitk.ReadImage(str(cases[0].nm_mask))
    image[0, 0, 0] = 1
    sitk.WriteImage(image, str(cases[0].nm_mask))
    later = (labels / "TOY_000.mha").stat().st_mtime + 5
    os.utime(cases[0].nm_mask, (later, later))
    kept = (labels / "TOY_001.mha").stat().st_mtime_ns
    write_raw_dataset(cases, "NM", ["NM"], tmp_path / "raw")
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(labels / "TOY_000.mha")))
    assert found[0, -1, 0] == 1
    assert (labels / "TOY_001.mha").stat().st_mtime_ns == kept


def test_folds_are_imported_by_number_and_post_processed(run, trained, tmp_path, capsys):
    words = ("--work", trained.work, "--out", tmp_path)
    assert run("import", *words, *NM, "--fold", "0") == 0
    settings = tmp_path / "segmenter_nm" / "settings.json"
    assert json.loads(settings.read_text(encoding="utf-8"))["folds"] == [0]
    assert run("postprocess", *words, "--modality", "NM") == 0
    page = (tmp_path / "postprocessing_nm.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| NM-SN")]
    chosen = [number for number, row in enumerate(rows, start=1) if "kept alone" in row]
    assert len(rows) == 2
    assert all(row.split("|")[2].strip() == "1" for row in rows)
    assert json.loads(settings.read_text(encoding="utf-8"))["keep_largest"] == chosen
    said = capsys.readouterr()
    assert page.strip() in said.out
    assert "Warning: NM: chosen on fewer than 10 held-out cases (1)" in " ".join(said.err.split())


def _write_t1_cohort(folder: Path, count: int) -> None:
    """Toy heads whose nuclei show in T1 alone, under the numbers of the nigra in QSM."""
    write_cohort(folder, count)
    for case in sorted(folder.iterdir()):
        shutil.copy(case / "NM.nii.gz", case / "T1.nii.gz")
        mask = sitk.ReadImage(str(case / "NM_mask.nii.gz"))
        (case / "NM_mask.nii.gz").unlink()
        sitk.WriteImage(sitk.ChangeLabel(mask, {1: 11, 2: 12}), str(case / "QSM_mask.nii.gz"))


def test_a_network_learns_from_t1_and_needs_it(run, tmp_path, monkeypatch, capsys):
    schedule = plans.Schedule(epochs=1, iterations=300, validation_iterations=1, foreground=0.8)
    small = plans.TinyPlan((8, 32, 32), (6, 8, 8, 8), (1, 1, 1, 1), schedule)
    monkeypatch.setitem(plans.TINY, "QSM", small)
    cohort, work, networks = (tmp_path / name for name in ("cohort", "work", "networks"))
    _write_t1_cohort(cohort, 4)
    qsm = ("--modality", "QSM", "--scale", "tiny", "--work", work)
    prepare = ("--data", cohort, "--validation", "1", "--processes", "1")
    assert run("prepare", *qsm, *prepare, "--with-t1") == 0
    assert run("train", *qsm, "--device", "cpu", "--processes", "1") == 0
    assert run("import", *qsm, "--out", networks) == 0
    import evaluate_segmentation

    _write_t1_cohort(tmp_path / "others", 6)
    for number in range(4):
        shutil.rmtree(tmp_path / "others" / f"TOY_{number:03d}")
    (tmp_path / "others" / "TOY_005" / "T1.nii.gz").unlink()
    words = ["outline", "--data", tmp_path / "others", "--segmenters", networks]
    words += ["--out", tmp_path / "out"]
    assert evaluate_segmentation.main([str(word) for word in words]) == 3
    assert "TOY_005: failed. " in capsys.readouterr().err
    truth, found = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / path)))
        for path in ("others/TOY_004/QSM_mask.nii.gz", "out/TOY_004/QSM_pred.nii.gz")
    )
    # Too short a training to tell the sides apart; that they are found shows that T1 was looked at.
    a, b = truth > 0, found > 0
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.6
