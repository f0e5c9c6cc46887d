"""What is installed and whether it can be imported, without installing anything."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from MRNDiagnosisLib import dependencies, packages
from MRNDiagnosisLib.import_check import IMPORT_NAMES, failed_imports

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


LINES = packages.REQUIREMENTS.read_text("utf-8").splitlines()


def test_requirements_are_those_of_the_library():
    with PYPROJECT.open("rb") as stream:
        wanted = tomllib.load(stream)["project"]["dependencies"]
    assert [line for line in LINES if not line.startswith("#")] == wanted


def test_slicer_can_read_the_requirements_file():
    """``slicer.packaging.load_requirements`` knows whole-line comments and nothing else."""
    assert all(line.strip() for line in LINES)
    assert not any(line.startswith("-") or "#" in line[1:] for line in LINES)


def test_everything_needed_is_here_and_nothing_was_imported_to_see_it():
    assert packages.missing() == []
    script = (
        f"import sys; sys.path[:0] = [{str(packages.REQUIREMENTS.parents[1])!r}];"
        "from MRNDiagnosisLib.packages import missing; missing();"
        "sys.exit(any(n in sys.modules for n in ('torch', 'numpy', 'nnunetv2')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_package_that_is_not_there_has_no_version():
    assert packages.installed("no-such-package-anywhere") is None
    assert packages.installed("numpy") == importlib.metadata.version("numpy")


@pytest.mark.parametrize(
    ("version", "new_enough"),
    [
        ((5, 12, 1), True),
        ((5, 13, 0), True),
        ((6, 0, 0), True),
        ((5, 12, 0), False),
        ((5, 8, 9), 0),
    ],
)
def test_an_old_slicer_gets_one_sentence(version, new_enough):
    text = dependencies.slicer_problem(version)
    if new_enough:
        assert text == ""
    else:
        assert "needs 3D Slicer 5.12.1" in text
        assert "this is " + ".".join(map(str, version)) in text
        assert text.count(". ") == 0


def test_the_import_check_really_imports(tmp_path, monkeypatch):
    (tmp_path / "loud.py").write_text("print('a word', end='')\nimport nothing_like_this\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "fine.py").write_text("x = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    failed = failed_imports(["fine", "loud", "leaves", "json"])
    assert failed == {
        "loud": "ModuleNotFoundError: No module named 'nothing_like_this'",
        "leaves": "SystemExit: 3",
    }


def test_a_crash_is_put_to_the_module_that_crashed(tmp_path, monkeypatch):
    (tmp_path / "crashes.py").write_text("import os; os.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert list(failed_imports(["json", "crashes", "os"])) == ["crashes"]
    assert list(failed_imports(["json"], [str(tmp_path / "no-python")])) == ["Python"]


def test_a_torch_made_for_another_numpy_is_found_out(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text(
        "def from_numpy(array): raise RuntimeError('Numpy is not available')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert failed_imports(["torch"]) == {"torch": "RuntimeError: Numpy is not available"}


def test_import_names_are_right():
    names = [IMPORT_NAMES.get(entry.name, entry.name) for entry in packages.requirements()]
    light = [name for name in names if name in ("yaml", "numpy", "pydantic", "typer", "jinja2")]
    assert len(light) == 5
    assert failed_imports(light) == {}
    assert all(importlib.util.find_spec(name) for name in names)
