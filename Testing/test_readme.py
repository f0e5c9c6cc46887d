"""What the README shows is run as it stands there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from MRNLib.bundle import open_bundle

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs_on_two_files(phantom_case, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    shutil.copy(phantom_case.qsm, tmp_path / "QSM.nii.gz")
    shutil.copy(phantom_case.nm, tmp_path / "NM.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert "P(PD)" in capsys.readouterr().out
    written = json.loads((tmp_path / "result" / "diagnosis.json").read_text("utf-8"))
    assert written["phantom"]
    assert (tmp_path / "result" / "report.html").is_file()


def test_relative_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", README.read_text("utf-8"))
    assert targets
    missing = [target for target in targets if not (README.parent / target).exists()]
    assert missing == []


def test_the_shipped_bundle_is_small_and_says_what_it_is():
    bundle = open_bundle("phantom-tiny")
    assert bundle.manifest.trained_on == "phantom"
    files = [path for path in bundle.folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert not {path.suffix for path in files} & {".pth", ".pkl", ".pt"}
    text = bundle.card()
    for said in ("phantom", "held-out", "oracle", "Dice", "Leakage"):
        assert said in text
    assert bundle.manifest.model.backbone.embed_dim <= 96
    assert len(bundle.manifest.folds) == 5


@pytest.mark.parametrize("name", ["QSM", "NM"])
def test_the_shipped_segmenters_are_narrow_nnunets(name):
    from safetensors import safe_open

    folder = open_bundle("phantom-tiny").segmenter_folder(name)
    (weights,) = folder.glob("fold_*.safetensors")
    with safe_open(weights, "pt") as stored:
        shapes = [stored.get_slice(key).get_shape() for key in stored.keys()]  # noqa: SIM118
    total = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= length
        total += size
    assert total <= 500_000
