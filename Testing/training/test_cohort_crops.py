"""A cohort of volumes in the place of crops: cut once, found again, never out of date."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
from pathlib import Path

import pytest
from cohort_helpers import write_cohort
from script_helpers import script
from training_helpers import make_patient

from MRNLib.errors import InputError
from MRNLib.training.cohortcrops import crops_of, is_cohort
from MRNLib.training.data import crop_files, load_crops, load_folder, save_crops

EIGHT = tuple(f"case_{number}" for number in range(8))


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("eight") / "cohort"
    write_cohort(folder, EIGHT)
    return folder


@pytest.fixture
def pair(tmp_path) -> Path:
    write_cohort(tmp_path / "cohort")
    return tmp_path / "cohort"


@pytest.fixture
def here(monkeypatch):
    """Crops are cut by this process."""
    monkeypatch.setattr("MRNLib.training.cohortcrops.crops_of.__kwdefaults__", _alone())


def _alone() -> dict[str, object]:
    return {**(crops_of.__kwdefaults__ or {}), "workers": 0}


def cut(data: Path, into: Path, **options) -> list[str]:
    """Cuts and gives back what was said."""
    said: list[str] = []
    assert crops_of(data, into, workers=0, say=said.append, **options) == into
    return said


def times(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in crop_files(folder)}


def later(path: Path) -> None:
    """As if the file had been written again."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def test_a_fold_is_trained_from_volumes(eight, training, tmp_path, capsys, monkeypatch, here):
    monkeypatch.chdir(tmp_path)
    options = [one for one in training if not one.startswith(("--out", "--data"))]
    command = [*options, f"--data={eight}", "--set=trained_on=human"]
    assert script("train_mrn").main(command) == 0
    assert "8 patients, 0 already cut; crops in runs/tiny/crops/data" in capsys.readouterr().out
    assert (tmp_path / "runs" / "tiny" / "fold_1" / "fold_1.safetensors").is_file()
    before = times(tmp_path / "runs" / "tiny" / "crops" / "data")
    assert tuple(before) == EIGHT
    assert script("train_mrn").main(command) == 0
    assert "already finished" in capsys.readouterr().out
    assert times(tmp_path / "runs" / "tiny" / "crops" / "data") == before


def test_crops_are_taken_as_they_are(tmp_path):
    save_crops(make_patient(0, 0), tmp_path)
    assert crops_of(tmp_path, tmp_path / "other") == tmp_path
    assert crops_of(tmp_path / "nowhere", tmp_path / "other") == tmp_path / "nowhere"
    assert not (tmp_path / "other").exists()


def test_only_what_is_missing_is_cut(eight, tmp_path):
    assert "3 patients, 0 already cut" in cut(eight, tmp_path, limit=3)[0]
    before = times(tmp_path)
    assert tuple(before) == EIGHT[:3]
    assert "8 patients, 3 already cut;" in cut(eight, tmp_path)[0]
    assert before.items() <= times(tmp_path).items()
    assert cut(eight, tmp_path) == []


@pytest.mark.parametrize("name", ["QSM", "NM", "QSM_mask", "NM_mask"])
def test_what_changed_is_cut_again(pair, tmp_path, name):
    out = tmp_path / "out"
    cut(pair, out)
    before = times(out)
    later(pair / "case_b" / f"{name}.nii.gz")
    assert "1 already cut, 1 changed since" in cut(pair, out)[0]
    after = times(out)
    assert after["case_a"] == before["case_a"]
    assert after["case_b"] > before["case_b"]
    assert cut(pair, out) == []


def test_another_diagnosis_is_another_patient(pair, tmp_path):
    cut(pair, tmp_path / "out")
    (pair / "labels.csv").write_text("id,diagnosis\ncase_a,HC\ncase_b,HC\n", encoding="utf-8")
    assert "1 changed since" in cut(pair, tmp_path / "out")[0]
    assert load_crops(tmp_path / "out" / "case_a.npz").diagnosis == 0


def test_crops_of_a_patient_who_left_are_refused(pair, tmp_path):
    cut(pair, tmp_path / "out")
    shutil.rmtree(pair / "case_b")
    with pytest.raises(InputError, match=r"patients that .*cohort does not have: case_b"):
        cut(pair, tmp_path / "out")


def test_one_process_cuts_and_the_others_wait(pair, tmp_path):
    found: list[Path] = []
    waiting = threading.Thread(
        target=lambda: found.append(crops_of(pair, tmp_path / "out", cuts=False)), daemon=True
    )
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    assert not (tmp_path / "out").exists()
    cut(pair, tmp_path / "out")
    waiting.join(20)
    assert found == [tmp_path / "out"]


def test_what_is_wrong_with_a_cohort_is_told(pair, training, tmp_path, capsys, here):
    command = [*training, f"--data={pair}"]

    def error() -> str:
        assert script("train_mrn").main(command) == 2
        return capsys.readouterr().err

    whole = (pair / "case_b" / "QSM.nii.gz").read_bytes()
    (pair / "case_b" / "QSM.nii.gz").write_bytes(whole[:300])
    assert "QSM.nii.gz: " in (said := error())
    assert "Traceback" not in said
    assert times(tmp_path / "out" / "crops" / "data").keys() == {"case_a"}
    (pair / "case_b" / "QSM.nii.gz").write_bytes(whole)
    (pair / "case_b" / "NM_mask.nii.gz").unlink()
    assert "case_b: this case lacks a mask" in error()
    (pair / "labels.csv").unlink()
    said = error()
    assert "case_a: this case has no diagnosis" in said
    assert "labels.csv in the cohort's folder" in said


def test_folds_are_trained_from_two_cohorts(pair, training, tmp_path, monkeypatch, here):
    from MRNLib.training.protocol import FoldTraining

    protocols = []
    monkeypatch.setattr(FoldTraining, "run", lambda self, *_: protocols.append(self.protocol) or [])
    write_cohort(tmp_path / "other", ("case_c", "case_d"))
    command = [one for one in training if one.startswith(("--config", "--out", "--device"))]
    command += [f"--data={pair}", f"--validation={tmp_path / 'other'}"]
    assert script("train_folds").main(command) == 0
    crops = tmp_path / "out" / "crops"
    assert protocols[0].data == (str(crops / "data"),)
    assert protocols[0].validation == str(crops / "validation")
    assert times(crops / "data").keys() == {"case_a", "case_b"}
    assert times(crops / "validation").keys() == {"case_c", "case_d"}
    assert script("train_folds").main([*command, "--merge"]) == 0
    assert protocols[1].data == (str(crops / "data"), str(crops / "validation"))


def test_a_bundle_is_made_of_cohorts(pair, tmp_path, monkeypatch, here):
    taken = []

    def make_bundle(sources, *_, **__):
        taken.append(sources)
        raise InputError("enough")

    monkeypatch.setattr("MRNLib.bundle_folds.make_bundle", make_bundle)
    fold = type("Fold", (), {"trained_on": "human"})
    monkeypatch.setattr("MRNLib.training.folds.read_fold", lambda path: fold)
    write_cohort(tmp_path / "other", ("case_c", "case_d"))
    command = ["--folds=x", "--segmenter-qsm=x", "--segmenter-nm=x", f"--data={pair}"]
    command += [f"--validation={tmp_path / 'other'}", f"--out={tmp_path / 'bundle'}"]
    assert script("export_bundle").main(command) == 2
    assert [one.identifier for one in taken[0].patients] == ["case_a", "case_b"]
    assert [one.identifier for one in taken[0].validation] == ["case_c", "case_d"]
    assert crop_files(tmp_path / "bundle-crops" / "data")


def test_margins_are_options_and_not_mixed(pair, tmp_path, capsys):
    def prepare(*options: str) -> int:
        out = f"--out={tmp_path / 'crops'}"
        return script("prepare_crops").main([f"--data={pair}", out, "--workers=0", *options])

    assert prepare("--margin-mm=8", "--margin-slices=2") == 0
    wide = load_crops(tmp_path / "crops" / "case_a.npz")
    assert (wide.margin_mm, wide.margin_slices) == (8.0, 2)
    assert prepare() == 2
    said = capsys.readouterr().err
    assert "holds crops with a margin of 8 mm and 2 slices" in said
    assert "a margin of 5 mm and 1 slice," in said
    assert "--margin-mm 8 --margin-slices 2" in said
    with pytest.raises(InputError, match="holds crops with a margin of 8 mm"):
        crops_of(pair, tmp_path / "crops")
    for wrong in ("--margin-mm=nan", "--margin-mm=-1", "--margin-slices=-1"):
        assert prepare(wrong) == 2
        assert "cannot be cut" in capsys.readouterr().err
    cut(pair, tmp_path / "usual")
    usual = load_crops(tmp_path / "usual" / "case_a.npz")
    assert wide.rois["NM"].box.size > usual.rois["NM"].box.size


def test_a_folder_of_two_margins_is_not_loaded(tmp_path):
    save_crops(make_patient(0, 0), tmp_path)
    save_crops(dataclasses.replace(make_patient(1, 1), margin_mm=8.0), tmp_path)
    with pytest.raises(InputError, match=r"2 margins: 5 mm and 1 slice \(case_000\); 8 mm"):
        load_folder(tmp_path)


def test_what_a_cohort_is(pair, tmp_path):
    assert is_cohort(pair)
    assert not is_cohort(pair / "case_a")
    assert not is_cohort(tmp_path)
    assert not is_cohort(tmp_path / "nowhere")
    save_crops(make_patient(0, 0), pair)
    assert not is_cohort(pair)  # its crops are taken
