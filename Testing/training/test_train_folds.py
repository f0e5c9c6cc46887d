"""The protocol from its scripts: three commands, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from script_helpers import script

import MRNLib
from MRNLib.bundle import open_bundle
from MRNLib.training.folds import read_folds

SEGMENTERS = Path(MRNLib.__file__).parent / "bundles" / "phantom-tiny"


def test_the_protocol_in_three_commands(cohort, capsys, monkeypatch):
    monkeypatch.chdir(cohort)
    module = script("train_folds")
    shared = ["--data=train", "--validation=validation", "--folds=2", "--draws=20"]
    tune = [*shared, "--config=quick.yaml", "--out=tuned", "--try=train.lr_heads=1e30,2e-3,4e-3"]
    assert module.main(tune) == 0, capsys.readouterr().err
    search = json.loads(Path("tuned/search/search.json").read_text(encoding="utf-8"))
    assert "went astray" in search["trials"][0]["failure"]
    assert search["chosen"] in (["train.lr_heads=2e-3"], ["train.lr_heads=4e-3"])
    areas = [one["measures"]["auc"][0] for one in search["trials"][1:]]
    chosen = next(one for one in search["trials"] if one["overrides"] == search["chosen"])
    assert chosen["measures"]["auc"][0] == max(areas)
    table = Path("tuned/search/search.md").read_text(encoding="utf-8")
    assert "| `train.lr_heads=1e30` | failed" in table
    assert table.count("chosen |") == 1
    rate = float(search["chosen"][0].partition("=")[2])
    for fold in read_folds(Path("tuned"), 2):
        assert fold.settings["train"]["lr_heads"] == rate
        assert len(fold.trained) == 4
    report = json.loads(Path("tuned/report.json").read_text(encoding="utf-8"))
    assert [row["patients"] for row in report["rows"]] == [4, 4, 8, 8, 6, 6]
    assert "nothing about real ones" in Path("tuned/report.md").read_text(encoding="utf-8")

    final = [*shared, "--config=tuned/settings.yaml", "--merge", "--out=final"]
    assert module.main(final) == 0, capsys.readouterr().err
    for fold in read_folds(Path("final"), 2):
        assert fold.settings["train"]["lr_heads"] == rate
        assert len(fold.trained | fold.held_out) == 14
    report = json.loads(Path("final/report.json").read_text(encoding="utf-8"))
    assert [row["patients"] for row in report["rows"]] == [7, 7, 14, 14]

    segmenters = [f"--segmenter-{one}={SEGMENTERS}/segmenter_{one}" for one in ("qsm", "nm")]
    assert export(["--trained=final", "--out=bundle", "--draws=20", *segmenters]) == 0
    facts = open_bundle("bundle").manifest.training
    assert (facts.patients, facts.merged, facts.source, facts.measured) == (
        14,
        True,
        "out of fold",
        14,
    )
    capsys.readouterr()
    # The first folds have not seen validation, so it calibrates them; the merged ones have.
    assert export(["--trained=tuned", "--out=first", "--draws=20", *segmenters]) == 2
    assert "6 patients" in capsys.readouterr().err  # too few
    overlapping = ["--trained=final", "--out=none", "--validation=validation", *segmenters]
    assert export(overlapping) == 2
    assert "of 6 patients are among those that fold 0 was trained on" in capsys.readouterr().err
    assert not Path("first").exists()
    assert not Path("none").exists()


def export(arguments: list[str]) -> int:
    code = script("export_bundle").main(arguments)
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--set=train.sede=1"], "did you mean train.seed?"),
        (["--merge"], "--merge needs validation"),
        (["--try=train.seed=1,2"], "--try needs validation"),
        (["--merge", "--try=train.seed=1,2", "--validation=validation"], "cannot be judged"),
        (["--validation=train"], "8 patients are in both train and validation"),
        (["--validation=nowhere"], "no crops found"),
        (["--try=train.sede=1,2", "--validation=validation"], "did you mean train.seed?"),
        (["--set=trained_on=human"], "8 of 8 patients are digital ones"),
        (["--folds=1"], "'--folds': Input"),
        (["--folds=5"], "fewer folds"),
        (["--jobs=0"], "'--jobs': Input"),
        (["--out=quick.yaml"], "not a folder"),
    ],
)
def test_mistakes_are_told(cohort, capsys, monkeypatch, extra, said):
    monkeypatch.chdir(cohort)
    arguments = ["--config=quick.yaml", "--data=train", "--folds=2", "--out=out", "--device=cpu"]
    assert script("train_folds").main([*arguments, *extra]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name either --trained or --folds"),
        (["--trained=out", "--folds=x"], "name either --trained or --folds"),
        (["--trained=train"], "no folder of trained folds"),
        (["--folds=x.safetensors"], "--folds needs the crops"),
        (["--folds=x.safetensors", "--data=train"], "not there, or not finished"),
    ],
)
def test_mistakes_in_exporting_are_told(cohort, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(cohort)
    always = ["--out=bundle", "--segmenter-qsm=a", "--segmenter-nm=b"]
    assert export([*arguments, *always]) == 2
    assert said in capsys.readouterr().err
