"""The segmentation track by itself: a cohort outlined by imported networks, and compared."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from safetensors.torch import load_file, save_file
from toys import write_cohort

from MRNLib.challenge.comparison import comparison
from MRNLib.challenge.scoring import score
from MRNLib.errors import InputError
from MRNLib.images import read_volume
from MRNLib.nnunet.commands import Workspace, write_split
from MRNLib.segmentation import Segmenter

DATASET = "Dataset504_PDSegNM"
PREDICTED = "NM_pred.nii.gz"


@pytest.fixture
def run(monkeypatch):
    """The script's command line."""
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "Training"))
    import evaluate_segmentation

    return lambda *words: evaluate_segmentation.main([str(word) for word in words])


def test_a_cohort_is_outlined_and_compared(run, trained, tmp_path, capsys):
    cohort, networks, out = (tmp_path / name for name in ("cohort", "networks", "out"))
    write_cohort(cohort, 3)
    (cohort / "TOY_001" / "NM.nii.gz").write_bytes(b"no image")
    shutil.copytree(trained.segmenter, networks / "segmenter_nm")
    words = ("outline", "--data", cohort, "--segmenters", networks, "--out", out)

    assert run(*words) == 3
    said = capsys.readouterr()
    assert "TOY_001: failed" in said.err
    assert "2 of 3 cases outlined" in said.out
    # What was written is the network's outline, in the file's own geometry.
    volume = read_volume(cohort / "TOY_000" / "NM.nii.gz", "NM")
    expected = Segmenter.from_bundle(networks / "segmenter_nm").segment(volume.image)
    written = sitk.ReadImage(str(out / "TOY_000" / PREDICTED))
    again = sitk.DICOMOrient(written, "LPS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(expected))
    before = (out / "TOY_000" / PREDICTED).stat().st_mtime_ns
    assert run(*words) == 3
    assert (out / "TOY_000" / PREDICTED).stat().st_mtime_ns == before

    shutil.rmtree(cohort / "TOY_001")
    page = tmp_path / "page.md"
    named = ["--predictions", f"first={out}", "--predictions", f"second={out}"]
    assert run("compare", "--data", cohort, *named, "--out", page) == 0
    found = score(cohort, out).segmentation
    row = next(
        line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| NM-SN")
    )
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[:3] == cells[3:]
    assert cells[0].startswith(
        f"{found.means['NM'][0].dice / 2 + found.means['NM'][1].dice / 2:.3f} ("
    )
    assert float(cells[1]) == pytest.approx(
        np.mean([one.hausdorff for one in found.means["NM"]]), abs=0.006
    )


def test_other_numbers_of_cases_are_not_compared(run, trained, tmp_path):
    cohort, networks = tmp_path / "cohort", tmp_path / "networks"
    write_cohort(cohort, 2)
    shutil.copytree(trained.segmenter, networks / "segmenter_nm")
    run("outline", "--data", cohort, "--segmenters", networks, "--out", tmp_path / "two")
    shutil.copytree(tmp_path / "two", tmp_path / "one")
    shutil.rmtree(tmp_path / "one" / "TOY_001")
    scores = {name: score(cohort, tmp_path / name) for name in ("one", "two")}
    with pytest.raises(InputError, match=r"do not have NM masks of the same cases.*TOY_001"):
        comparison(scores)


def test_each_segmentation_has_its_own_columns_and_what_it_missed(run, tmp_path, capsys):
    """Outlines that are right, shifted by a voxel, and without one side."""
    cohort = tmp_path / "cohort"
    write_cohort(cohort, 6)
    for name in ("right", "shifted", "without"):
        for case in sorted(cohort.iterdir()):
            image = sitk.ReadImage(str(case / "NM_mask.nii.gz"))
            array = sitk.GetArrayFromImage(image)
            if name == "shifted":
                array = np.roll(array, 1, axis=2)
            elif name == "without":
                array[array == 2] = 0
            other = sitk.GetImageFromArray(array)
            other.CopyInformation(image)
            (tmp_path / name / case.name).mkdir(parents=True)
            sitk.WriteImage(other, str(tmp_path / name / case.name / PREDICTED))
    named = [f"--predictions={name}={tmp_path / name}" for name in ("shifted", "right", "without")]
    page = tmp_path / "pages" / "page.md"
    assert run("compare", "--data", cohort, *named, "--out", page) == 0
    lines = page.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith("| NM-SN"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[1::3] == ["1.00", "0.00", "0.00"]
    better, worse = [line for line in lines if "− shifted | NM" in line]
    shifted = score(cohort, tmp_path / "shifted").segmentation.means["NM"]
    gained = 1 - (shifted[0].dice + shifted[1].dice) / 2
    assert better.startswith(f"| right − shifted | NM | {gained:+.4f} [+")
    assert better.endswith("| 6 of 6 |")
    assert worse.endswith("| 0 of 6 |")
    assert cells[2::3] == ["", "", "6"]
    assert cells[3] == "1.000 (0.000)"
    assert cells[6].startswith("0.500 (")
    assert 0.5 < float(cells[0].split()[0]) < 1
    assert run("compare", "--data", cohort, *named[:1], *named[:1], "--out", page) == 2
    assert "each name once" in capsys.readouterr().err


def test_a_case_that_could_not_be_scored_is_said_by_the_exit_code(run, tmp_path):
    cohort = tmp_path / "cohort"
    write_cohort(cohort, 2)
    folder = tmp_path / "out" / "TOY_000"
    folder.mkdir(parents=True)
    shutil.copy(cohort / "TOY_000" / "NM_mask.nii.gz", folder / PREDICTED)
    words = ("--predictions", f"some={tmp_path / 'out'}", "--out", tmp_path / "page.md")
    assert run("compare", "--data", cohort, *words) == 3
    assert "NM of 1 cases" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_masks_of_other_networks_are_not_taken_for_these(run, trained, tmp_path, capsys):
    cohort, networks, out = (tmp_path / name for name in ("cohort", "networks", "out"))
    write_cohort(cohort, 1)
    segmenter = shutil.copytree(trained.segmenter, networks / "segmenter_nm")
    words = ("outline", "--data", cohort, "--segmenters", networks, "--out", out)
    assert run(*words) == 0
    mask = sitk.ReadImage(str(out / "TOY_000" / PREDICTED))
    assert "Research use only" in mask.GetMetaData("descrip")
    settings = json.loads((segmenter / "settings.json").read_text(encoding="utf-8"))
    (segmenter / "settings.json").write_text(json.dumps(settings | {"keep_largest": [1]}))
    assert run(*words) == 2
    assert "masks of other networks" in capsys.readouterr().err
    (out / "networks.json").unlink()
    assert run(*words) == 2
    assert "name another --out folder" in capsys.readouterr().err


def test_a_folder_without_networks_is_said(run, tmp_path, capsys):
    write_cohort(tmp_path / "cohort", 1)
    (tmp_path / "empty").mkdir()
    words = ("--data", tmp_path / "cohort", "--segmenters", tmp_path / "empty")
    assert run("outline", *words, "--out", tmp_path / "out") == 2
    assert "no trained network in the folder" in capsys.readouterr().err


def test_out_of_fold_each_case_has_the_network_that_did_not_see_it(run, trained, tmp_path, capsys):
    cohort, networks, work = (tmp_path / name for name in ("cohort", "networks", "work"))
    write_cohort(cohort, 3)
    segmenter = shutil.copytree(trained.segmenter, networks / "segmenter_nm")
    (segmenter / "fold_0.safetensors").rename(segmenter / "fold_1.safetensors")
    weights = load_file(segmenter / "fold_1.safetensors")
    save_file({name: 0 * one for name, one in weights.items()}, segmenter / "fold_0.safetensors")
    settings = json.loads((segmenter / "settings.json").read_text(encoding="utf-8"))
    (segmenter / "settings.json").write_text(json.dumps(settings | {"folds": [1, 0]}))
    (work / "preprocessed" / DATASET).mkdir(parents=True)
    write_split(Workspace(work), DATASET, [([], ["TOY_000"]), ([], ["TOY_001"])])
    words = ("outline", "--data", cohort, "--segmenters", networks, "--work", work)

    assert run(*words, "--out", tmp_path / "out") == 3
    assert "TOY_002: failed. NM: no trained fold held this case out" in capsys.readouterr().err

    def outlined(name: str) -> bool:
        image = sitk.ReadImage(str(tmp_path / "out" / name / PREDICTED))
        return bool(sitk.GetArrayViewFromImage(image).any())

    assert not outlined("TOY_000"), "the fold without weights held it out"
    assert outlined("TOY_001")
