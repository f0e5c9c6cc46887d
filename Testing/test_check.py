"""``mrn check``: what a case's files are said to be, without computing anything."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT
from Testing.bad_inputs import ROWS


def check(paths, *options):
    files = [f"--{role.replace('_', '-')}={path}" for role, path in paths.items()]
    return run(["check", *files, *options])


def events(text):
    return [json.loads(line.removeprefix("@mrn ")) for line in text.splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_bad_input_is_judged_as_by_the_diagnosis(row, tmp_path, capfd):
    paths = row.build(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    capfd.readouterr()  # what ITK said while the file was made
    code = check(paths, "--progress=json", *row.options)
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    last = events(said.out)[-1]
    if row.kind == "error":
        assert code == EXIT_INPUT
        assert last["event"] == "error"
        text = last["text"]
        assert 1 <= len(text.splitlines()) <= 3
    else:
        assert code == 0, said.err
        assert last["event"] == "result"
        text = "\n".join(last["warnings"])
    for fragment in row.expected:
        assert fragment in text
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sound_case_is_said_to_be_one(phantom_case, capfd):
    paths = {
        "qsm": phantom_case.qsm,
        "nm": phantom_case.nm,
        "t1": phantom_case.t1,
        "qsm_mask": phantom_case.qsm_mask,
        "nm_mask": phantom_case.nm_mask,
    }
    assert check(paths, "--progress=json") == 0
    last = events(capfd.readouterr().out)[-1]
    assert last["identifier"] == phantom_case.identifier
    assert last["phantom"] is True
    assert len(last["size"]) == len(last["spacing"]) == 3
    assert check(paths) == 0
    assert f"{phantom_case.identifier}: can be used" in capfd.readouterr().out


def test_check_can_be_cancelled(phantom_case, tmp_path, capfd):
    (tmp_path / "stop").touch()
    paths = {"qsm": phantom_case.qsm, "nm": phantom_case.nm}
    assert check(paths, f"--cancel-file={tmp_path / 'stop'}") == EXIT_CANCELLED


def test_check_needs_no_torch(phantom_case):
    script = (
        "import sys; from MRNLib.cli.app import run;"
        f"code = run(['check', r'--qsm={phantom_case.qsm}', r'--nm={phantom_case.nm}',"
        f"r'--qsm-mask={phantom_case.qsm_mask}', '--progress=none']);"
        "sys.exit(code or any(n in sys.modules for n in ('torch', 'timm', 'nnunetv2', 'scipy')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
