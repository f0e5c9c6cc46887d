"""``auto_run.sh``, which the challenge's container starts, as a program against folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "Training" / "challenge" / "auto_run.sh"
# What the stand-in for the image's Python tells about how it was started.
TELLS = """#!/bin/sh
printf 'arguments %s\\n' "$*"
printf 'user %s %s\\n' "$(id -u)" "$(id -g)"
env | grep -E '^(OMP_NUM_THREADS|ITK_GLOBAL|HF_HUB_OFFLINE)' | tr = ' '
exit "${CODE:-0}"
"""
is_root = getattr(os, "geteuid", lambda: 1)() == 0
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the script of a Linux container")


@pytest.fixture
def place():
    """A folder that any user may enter, which pytest's own may not."""
    folder = Path(tempfile.mkdtemp(prefix="mrn-auto-run-"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(TELLS)
    (folder / "bin" / "python").chmod(0o755)
    (folder / "pdcad" / "inputs").mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(place):
    """Starts the script with a Python that only tells what it is told."""

    def go(*options, **settings):
        environment = {
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "MRN_INPUTS": str(place / "pdcad" / "inputs"),
            "MRN_OUTPUTS": str(place / "pdcad" / "outputs"),
            "MRN_CGROUP": str(place / "cgroup"),
        }
        return subprocess.run(
            ["bash", str(SCRIPT), *options],
            env=environment | settings,
            capture_output=True,
            text=True,
        )

    return go


def told(done, word):
    return [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(word)]


@on_linux
def test_the_script_predicts_without_a_network(small_case, small_bundle, tmp_path):
    inputs, outputs = tmp_path / "inputs", tmp_path / "outputs"
    for name in ("RJPD_001", "RJPD_002"):
        shutil.copytree(small_case, inputs / name, ignore=shutil.ignore_patterns("*_mask*"))
    (inputs / "RJPD_002" / "QSM.nii.gz").unlink()
    alone = ["unshare", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"]).returncode:
        alone = []  # only root may leave the network
    done = subprocess.run(
        [*alone, "bash", str(SCRIPT)],
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "MRN_INPUTS": str(inputs),
            "MRN_OUTPUTS": str(outputs),
            "MRN_BUNDLE": str(small_bundle),
        },
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "RJPD_002: failed." in done.stderr
    assert "1 of 2 cases predicted" in done.stdout
    assert [path.name for path in outputs.iterdir()] == ["RJPD_001"]
    names = {path.name for path in (outputs / "RJPD_001").iterdir()}
    assert names == {"NM_pred.nii.gz", "QSM_pred.nii.gz", "PD_pred.txt"}
    assert (outputs / "RJPD_001" / "PD_pred.txt").read_text(encoding="utf-8") in ("0", "1")


@on_linux
def test_the_command_is_given_folders_model_and_options(start, place):
    done = start("--tta", "--probability", MRN_BUNDLE="paper", CODE="3")
    folder = place / "pdcad"
    assert told(done, "arguments") == [
        f"-m MRNLib challenge predict {folder}/inputs {folder}/outputs --bundle paper "
        "--progress none --no-probability --tta --probability"
    ]
    assert done.returncode == 3
    assert (folder / "outputs").is_dir()
    assert told(done, "HF_HUB_OFFLINE") == ["1"]


@on_linux
def test_folders_that_are_not_there_are_said(start, place):
    done = start(MRN_INPUTS="")
    assert done.returncode == 2
    assert "/pdcad/inputs: there is no such folder" in done.stderr
    (place / "pdcad" / "outputs").write_text("a file")
    done = start()
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a folder" in done.stderr


@on_linux
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("text", "threads"),
    [
        ("100000 100000", "1"),
        ("50000 100000", "1"),
        ("999999999 100000", "all"),
        ("max 100000", None),
        ("-1 100000", None),
        ("0 100000", None),
        ("100000 0", None),
        ("", None),
        (None, None),
    ],
)
def test_threads_are_those_of_the_share_of_processors(start, place, version, text, threads):
    """In one file of the newer control groups, in two of the older ones."""
    (place / "cgroup" / "cpu").mkdir(parents=True)
    if text is not None and version == 2:
        (place / "cgroup" / "cpu.max").write_text(text)
    elif text is not None:
        for name, value in zip(("quota", "period"), text.split() or ("", ""), strict=True):
            (place / "cgroup" / "cpu" / f"cpu.cfs_{name}_us").write_text(value)
    if threads == "all":
        threads = str(len(os.sched_getaffinity(0)))
    done = start()
    assert done.returncode == 0
    for name in ("OMP_NUM_THREADS", "ITK_GLOBAL"):
        assert told(done, name) == ([] if threads is None else [threads])


@on_linux
@pytest.mark.skipif(not is_root, reason="only root can give itself up")
@pytest.mark.parametrize("made", [True, False])
def test_the_work_is_done_as_the_user_who_owns_the_folder(start, place, made):
    os.chown(place / "pdcad", 1234, 5678)
    if made:
        (place / "pdcad" / "outputs").mkdir()
        os.chown(place / "pdcad" / "outputs", 1234, 5678)
    assert told(start(), "user") == ["1234 5678"]
    made_by = (place / "pdcad" / "outputs").stat()
    assert (made_by.st_uid, made_by.st_gid) == (1234, 5678)


@on_linux
@pytest.mark.skipif(not is_root, reason="only root owns folders as root")
def test_a_folder_of_root_is_written_by_root(start):
    assert told(start(), "user") == ["0 0"]


@on_linux
def test_the_script_is_bash():
    assert subprocess.run(["bash", "-n", str(SCRIPT)]).returncode == 0
