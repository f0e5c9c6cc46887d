"""The package: every file of the folders is in a CMake list, and the index entry is valid."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = ("__pycache__", ".mypy_cache")
# From Slicer's schema of catalogue entries, version 1.0.1.
ENTRY_FIELDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}


def listed(file: str, name: str) -> list[str]:
    """The entries of ``set(name ...)`` in a CMakeLists.txt."""
    text = re.sub(r"#.*", "", (ROOT / file).read_text(encoding="utf-8"))
    found = re.search(rf"set\({name}\s+(.*?)\)", text, re.S)
    assert found, f"{file} has no list {name}"
    return [entry.replace("${MODULE_NAME}", "MRNDiagnosis") for entry in found[1].split()]


def setting(name: str) -> str:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(rf'set\({name} "(.*?)"\)', text)
    assert found, name
    return found[1]


def tree(folder: str) -> set[str]:
    """Every file that belongs into a package, relative to ``folder``."""
    base = ROOT / folder
    return {
        path.relative_to(base).as_posix()
        for path in base.rglob("*")
        if path.is_file()
        and not set(SKIPPED) & set(path.parts)
        and path.name not in ("CMakeLists.txt", ".gitignore")
    }


def test_library_lists_every_file():
    scripts = listed("MRNLib/CMakeLists.txt", "MRNLib_PYTHON_SCRIPTS")
    resources = listed("MRNLib/CMakeLists.txt", "MRNLib_PYTHON_RESOURCES")
    assert sorted(scripts + resources) == sorted(tree("MRNLib"))
    assert all(entry.endswith(".py") for entry in scripts)
    assert not any(entry.endswith(".py") for entry in resources)


def test_module_lists_every_file():
    scripts = listed("MRNDiagnosis/CMakeLists.txt", "MODULE_PYTHON_SCRIPTS")
    resources = listed("MRNDiagnosis/CMakeLists.txt", "MODULE_PYTHON_RESOURCES")
    packaged = {
        path
        for path in tree("MRNDiagnosis")
        if path == "MRNDiagnosis.py" or path.startswith(("MRNDiagnosisLib/", "Resources/"))
    }
    assert sorted(scripts + resources) == sorted(packaged)
    # Slicer takes a Python file that lies directly in a module path for a module.
    others = tree("MRNDiagnosis") - packaged
    assert others <= {"README.md"} | {path for path in others if path.startswith("Testing/")}


def test_tests_inside_slicer_are_registered():
    folder = ROOT / "MRNDiagnosis" / "Testing" / "Python"
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    assert {path.name for path in folder.glob("*.py")} == set(re.findall(r"SCRIPT (\S+)\)", text))


def test_metadata_is_whole():
    for name in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert setting(f"EXTENSION_{name}")
    assert setting("EXTENSION_DEPENDS") == "PyTorch"
    assert "Not for clinical use" in setting("EXTENSION_DESCRIPTION")
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "project(MRNDiagnosis)" in text
    assert "cmake_minimum_required(VERSION 3.28)" in text
    shown = re.findall(r"\$\{MRN_REPOSITORY\}/raw/main/(\S+?\.png)", text)
    assert len(shown) == 6
    assert all((ROOT / path).is_file() for path in shown)


def test_index_entry():
    entry = json.loads((ROOT / "MRNDiagnosis.json").read_text(encoding="utf-8"))
    assert {"$schema", "category", "scm_url"} <= set(entry) <= set(ENTRY_FIELDS)
    assert all(isinstance(value, ENTRY_FIELDS[name]) for name, value in entry.items())
    assert entry["category"] == "Neuroimaging"
    assert entry["build_dependencies"] == ["PyTorch"]
    assert 1 <= entry["tier"] <= 5
    # One address, in two files: whoever fills it in does so in both.
    assert entry["scm_url"] == setting("MRN_REPOSITORY")


def test_icon_has_the_size_that_slicer_asks_for():
    data = (ROOT / "MRNDiagnosis" / "Resources" / "Icons" / "MRNDiagnosis.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")
def test_cmake_reads_the_lists(tmp_path):
    """CMake itself, with Slicer's macros replaced: what they are given exists."""
    script = tmp_path / "CMakeLists.txt"
    script.write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(check NONE)\n"
        "set(BUILD_TESTING OFF)\n"
        "function(ctkMacroCompilePythonScript)\n"
        '  cmake_parse_arguments(M "NO_INSTALL_SUBDIR" "TARGET_NAME;DESTINATION_DIR;INSTALL_DIR" '
        '"SCRIPTS;RESOURCES" ${ARGN})\n'
        "  check(${M_SCRIPTS} ${M_RESOURCES})\nendfunction()\n"
        "function(slicerMacroBuildScriptedModule)\n"
        '  cmake_parse_arguments(M "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})\n'
        "  check(${M_SCRIPTS} ${M_RESOURCES})\nendfunction()\n"
        "function(check)\n  foreach(file ${ARGN})\n"
        "    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})\n"
        '      message(FATAL_ERROR "${file} is not there")\n    endif()\n  endforeach()\n'
        '  list(LENGTH ARGN count)\n  message(STATUS "${count} files")\nendfunction()\n'
        f'add_subdirectory("{ROOT.as_posix()}/MRNLib" lib)\n'
        f'add_subdirectory("{ROOT.as_posix()}/MRNDiagnosis" module)\n',
        encoding="utf-8",
    )
    done = subprocess.run(
        ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "build")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"-- \d+ files", done.stdout)) == 2
