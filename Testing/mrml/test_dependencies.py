"""What is installed, installing the rest with stand-ins for Slicer's installers, and the proof."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from pathlib import Path

import pytest
from dependency_helpers import wheel
from MRNDiagnosisLib import dependencies, packages
from MRNDiagnosisLib.dependencies import install, install_from_folder, prove

from MRNLib.errors import Cancelled, InputError


@pytest.mark.parametrize(
    ("version", "satisfied"),
    [
        ("2.15.1+cu128", True),
        ("2.15", True),
        ("2.9.1", False),
        ("2.14.2", False),
        ("3.0", False),
        (None, False),
    ],
)
def test_a_version_is_held_against_its_range(version, satisfied, world):
    world(torch=version)
    torch = next(entry for entry in packages.requirements() if entry.name == "torch")
    assert (torch.installed, torch.satisfied) == (version, satisfied)


def test_everything_there_means_nothing_to_install(world):
    here = world()
    shares = []
    install(here.tools, lambda share, message: shares.append(share))
    assert here.kinds == ["run"]
    assert shares[-1] == 1.0


def test_torch_comes_through_its_extension_and_the_rest_through_slicer(world):
    here = world(torch=None, torchvision=None, nnunetv2=None, timm="0.9")
    install(here.tools)
    assert here.kinds == ["torch", "ensure", "run"]
    torch, ensure, run = here.calls
    assert torch[2] == {"askConfirmation": False, "torchVersionRequirement": ">=2.15,<3"}
    (wanted,), options = ensure[1:]
    assert wanted == ["timm>=1.0.22,<1.0.23", "nnunetv2>=2.8,<3"]
    assert options["skip_packages"] == ["torch", "torchvision", "numpy", "SimpleITK", "requests"]
    assert run[1][0][0] == "PythonSlicer"


def test_torchvision_alone_is_fetched_by_the_extension_too(world):
    here = world(torchvision=None)
    install(here.tools)
    assert here.kinds == ["torch", "run"]


def test_a_torch_out_of_range_is_not_replaced_under_a_running_slicer(world):
    here = world(torch="2.9.1")
    with pytest.raises(InputError, match=r"PyTorch 2\.9\.1 is installed") as caught:
        install(here.tools)
    assert "restart" in str(caught.value)
    assert here.kinds == []


@pytest.mark.parametrize("kind", ["torch", "ensure"])
@pytest.mark.parametrize(
    "error", [subprocess.CalledProcessError(1, "pip"), OSError(28, "No space")]
)
def test_a_failed_installation_says_what_to_do(kind, error, world):
    here = world(torch=None, monai=None)
    here.fails[kind] = error
    with pytest.raises(InputError, match="could not be installed") as caught:
        install(here.tools)
    assert "folder of wheels" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_declining_is_a_cancel(world):
    here = world(torch=None)
    here.fails["torch"] = None
    with pytest.raises(Cancelled):
        install(here.tools, prompt=True)
    here = world(monai=None)
    here.fails["ensure"] = RuntimeError("User declined package installation")
    with pytest.raises(Cancelled):
        install(here.tools, prompt=True)
    here.fails["ensure"] = RuntimeError("only supported on the main thread")
    with pytest.raises(RuntimeError, match="main thread"):
        install(here.tools)


def test_an_installer_that_did_nothing_is_not_believed(world):
    """``pip_ensure`` returns without a word when Slicer is in its testing mode."""
    here = world(monai=None)
    here.fails["ensure"] = None
    with pytest.raises(InputError, match=r"Missing after the installation: monai>=1\.6"):
        install(here.tools)


@pytest.mark.parametrize("package", ["numpy", "SimpleITK"])
def test_what_slicer_brings_itself_needs_a_newer_slicer(package, world, tmp_path):
    """Before anything is fetched, and without a word about the network."""
    here = world(**{package: "1.20", "monai": None})
    wheel(tmp_path, "monai", "1.6")
    for step in (install, lambda tools: install_from_folder(tmp_path, tools), prove):
        with pytest.raises(InputError, match=rf"needs a newer Slicer: {package} 1\.20") as caught:
            step(here.tools)
        assert "network" not in str(caught.value)
    assert here.kinds == []


def test_slicers_windows_are_for_somebody_who_is_there(world):
    for attended in (True, False):
        here = world(monai=None)
        install(dataclasses.replace(here.tools, attended=attended))
        options = here.calls[0][2]
        assert (options["prompt_restart"], options["show_progress"]) == (attended, attended)


def test_an_import_that_fails_is_said_with_its_reason(world):
    here = world()
    here.imports = "@import torch\n@failed OSError: libcudart.so\n@import timm\n@end\n"
    with pytest.raises(InputError, match=r"torch: OSError: libcudart\.so"):
        install(here.tools)


@pytest.fixture
def inside(scene, monkeypatch):
    """``slicer`` with the parts that slicer-core lacks."""
    import slicer.util

    packaging = types.SimpleNamespace(pip_ensure="ensure", pip_install="install")
    app = types.SimpleNamespace(majorVersion=5, minorVersion=12, mainApplicationPatchVersion=1)
    monkeypatch.setattr(slicer, "app", app, raising=False)
    monkeypatch.setattr(slicer, "packaging", packaging, raising=False)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(slicer.util, "WaitCursor", object, raising=False)
    return slicer


def test_slicers_own_tools_are_found(inside, monkeypatch):
    logic = types.SimpleNamespace(installTorch="torch")
    module = types.SimpleNamespace(PyTorchUtilsLogic=lambda: logic)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    tools = dependencies.slicer_tools()
    assert (tools.install_torch, tools.pip_ensure, tools.pip_install) == (
        "torch",
        "ensure",
        "install",
    )
    assert Path(tools.python[0]).name == "PythonSlicer"
    assert tools.attended
    assert not dependencies.slicer_tools(attended=False).attended


def test_what_slicer_lacks_is_said(inside, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(InputError, match="PyTorch extension is not installed"):
        dependencies.slicer_tools()
    inside.app.mainApplicationPatchVersion = 0
    with pytest.raises(InputError, match=r"needs 3D Slicer 5\.12\.1 or newer; this is 5\.12\.0"):
        dependencies.slicer_tools()


def test_the_proof_needs_everything_there(world):
    here = world(rich=None)
    with pytest.raises(InputError, match="rich"):
        prove(here.tools)
    assert here.kinds == []
