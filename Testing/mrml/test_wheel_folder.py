"""Packages from a folder of wheels, without a network; ``pip`` itself is asked once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from dependency_helpers import wheel
from MRNDiagnosisLib import dependencies, packages
from MRNDiagnosisLib.dependencies import Tools, install_from_folder

from MRNLib.errors import InputError


def test_a_folder_of_wheels_installs_without_a_network(world, tmp_path):
    here = world(torch=None, torchvision=None, monai=None)
    wheel(tmp_path, "monai", "1.4")
    install_from_folder(tmp_path, here.tools)
    assert here.kinds == ["pip", "run"]
    (arguments,), options = here.calls[0][1:]
    assert arguments[:2] == ["--no-index", f"--find-links={tmp_path}"]
    assert arguments[2:] == ["torch>=2.15,<3", "monai>=1.6,<2", "torchvision"]
    kept = options["constraints"].splitlines()
    assert f"SimpleITK=={here.versions['SimpleITK']}" in kept
    assert not any(line.startswith("torch") for line in kept)


def test_a_folder_without_wheels_is_refused(world, tmp_path):
    here = world(monai=None)
    with pytest.raises(InputError, match="no wheels"):
        install_from_folder(tmp_path, here.tools)
    assert here.kinds == []


def test_a_folder_that_lacks_a_wheel_says_what_belongs_in_it(world, tmp_path):
    here = world(monai=None)
    wheel(tmp_path, "other", "1")
    here.fails["pip"] = subprocess.CalledProcessError(1, "pip")
    with pytest.raises(InputError, match=r"monai>=1\.6,<2"):
        install_from_folder(tmp_path, here.tools)


def test_pip_takes_the_arguments(tmp_path, world, monkeypatch):
    """The real ``pip`` with what the folder's installation hands to Slicer's."""
    folder, target = tmp_path / "a folder of wheels", tmp_path / "target"
    folder.mkdir()
    wheel(folder, "mrn_tiny", "1.5")
    lines = tmp_path / "requirements.txt"
    lines.write_text("mrn_tiny>=1,<2\n")
    here = world()
    entries = packages.requirements(lines)
    monkeypatch.setattr(dependencies, "missing", lambda: entries if not target.exists() else [])

    def pip_install(arguments, constraints, requester):
        command = [sys.executable, "-m", "pip", "install", *arguments, "-c", constraints]
        extra = ["--target", str(target), "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *extra], check=True, capture_output=True)

    tools = Tools(here.install_torch, here.pip_ensure, pip_install, run=here.run)
    install_from_folder(folder, tools)
    assert (target / "mrn_tiny.py").is_file()
    with pytest.raises(InputError, match="Not everything"):
        (folder / "mrn_tiny-1.5-py3-none-any.whl").rename(folder / "mrn_other-1-py3-none-any.whl")
        (target / "mrn_tiny.py").unlink()
        target.rename(tmp_path / "elsewhere")
        install_from_folder(folder, tools)
