"""Bad bundles on the command line: exit code 2, a few lines that name the file, nothing written."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from bad_inputs.bundles import DAMAGES, PICKLE, flip_last_bit

from MRNLib.bundle import open_bundle
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_INPUT


def everything_in(folder):
    """Every file and folder below a folder, files with their hash."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refuse(command, bundle, case, tmp_path, capfd, *said):
    """Runs a command with a bad bundle and checks how it ends."""
    out = tmp_path / "out"
    arguments = {
        "check": ["bundle", "check", str(bundle)],
        "show": ["bundle", "show", str(bundle)],
        "evaluate": ["evaluate", "--segmented=0", "--write-card"],
        "diagnose": [
            *("diagnose", f"--qsm={case.qsm}", f"--nm={case.nm}", "--no-jitter"),
            *(f"--qsm-mask={case.qsm_mask}", f"--nm-mask={case.nm_mask}"),
        ],
    }[command]
    if command in ("diagnose", "evaluate"):
        arguments += [f"--bundle={bundle}", f"--out={out}", "--progress=none"]
    before = everything_in(tmp_path)
    capfd.readouterr()
    code = run(arguments)
    shown = capfd.readouterr()
    assert code == EXIT_INPUT
    assert 1 <= len(shown.err.strip().splitlines()) <= 3
    assert "Traceback" not in shown.err + shown.out
    assert shown.out == ""
    for fragment in said:
        assert fragment in shown.err
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("command", ["diagnose", "check", "evaluate"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damaged_bundle_is_refused(damage, command, copy, phantom_case, tmp_path, capfd):
    damage.spoil(copy)
    refuse(command, copy, phantom_case, tmp_path, capfd, damage.said, str(copy / damage.file))


@pytest.mark.parametrize("command", ["diagnose", "check", "show", "evaluate"])
@pytest.mark.parametrize("place", ["model.pth", "nowhere", "empty"])
def test_what_is_no_bundle_is_refused(place, command, phantom_case, tmp_path, capfd):
    (tmp_path / "model.pth").write_bytes(PICKLE)
    (tmp_path / "empty").mkdir()
    bundle = tmp_path / place
    said = ("not a model bundle", str(bundle), "phantom-tiny")
    refuse(command, bundle, phantom_case, tmp_path, capfd, *said)


def test_a_changed_card_is_not_shown(copy, phantom_case, tmp_path, capfd):
    flip_last_bit(copy / "docs" / "README.md")
    said = ("SHA-256 differs", str(copy / "docs" / "README.md"))
    refuse("show", copy, phantom_case, tmp_path, capfd, *said)


def test_a_changed_segmenter_is_found(phantom_case, tmp_path, capfd):
    shipped = open_bundle("phantom-tiny").folder
    copied = shutil.copytree(shipped, tmp_path / "bundle")
    (weights,) = (copied / "segmenter_nm").glob("fold_*.safetensors")
    flip_last_bit(weights)
    refuse("check", copied, phantom_case, tmp_path, capfd, "SHA-256 differs", str(weights))


def test_a_bundle_that_cannot_outline_is_refused_before_the_work(random_bundle, tmp_path, capfd):
    out = tmp_path / "out"
    assert run(["evaluate", f"--bundle={random_bundle}", f"--out={out}"]) == EXIT_INPUT
    assert "no segmenter for" in capfd.readouterr().err
    assert not out.exists()
