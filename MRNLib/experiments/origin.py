"""What computed a page's figures: versions, devices, time, and the commit of the source."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from MRNLib import __version__
from MRNLib.experiments.results import CellResult

COMMIT = "commit"
LIBRARIES = ("torch", "numpy", "scikit-learn", "timm", "monai")


def versions() -> dict[str, str]:
    """Of this MRN, its commit where it is a checkout, Python, and the libraries that are there."""
    found = {"mrn": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | ({COMMIT: source_commit()} if source_commit() else {})


def device_name(device: str) -> str:
    """The GPU's own name, or what kind of CPU it is."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


@lru_cache(maxsize=1)
def source_commit() -> str:
    """The commit of this MRN if it is a checkout, ``-dirty`` after it with changes; else empty."""
    package = Path(__file__).parents[1]
    # An MRN that is installed below somebody else's checkout is not of that checkout's commit.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return ""
    return _git(package, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") or ""


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None without git, or where it refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def origin(results: Mapping[str, CellResult]) -> list[str]:
    """Markdown list items about finished cells and about the page itself."""
    lines = []
    if results:
        hours = sum(one.seconds for one in results.values()) / 3600
        lines += [
            f"- {len(results)} cells, {hours:.2f} hours of computing, all of them added up.",
            f"- Computed with {versions_text(one.versions for one in results.values())}.",
        ]
        if devices := sorted({_device(one) for one in results.values() if _trained(one)}):
            lines.append(f"- Networks on {'; '.join(devices)}.")
    commit = f", commit {source_commit()}" if source_commit() else ""
    lines.append(
        f"- This page: MRN {__version__}{commit}; {os.cpu_count()} processors "
        f"({platform.machine()})."
    )
    return lines


def versions_text(several: Iterable[Mapping[str, str]]) -> str:
    """``torch 2.15.0``; several where cells were computed by several."""
    found: dict[str, set[str]] = {}
    for one in several:
        for name, version in one.items():
            found.setdefault(name, set()).add(version)
    named = (f"{_title(name)} {' and '.join(sorted(all_))}" for name, all_ in found.items())
    return ", ".join(named) or "unknown versions"


def _title(name: str) -> str:
    return {"mrn": "MRN", "python": "Python", "torch": "PyTorch"}.get(name, name)


def _trained(result: CellResult) -> bool:
    return bool(result.identity.get("settings"))


def _device(result: CellResult) -> str:
    """Where a network was trained, and in what precision."""
    setting = result.identity["settings"]["train"]["precision"]
    automatic = "fp32" if result.device.startswith("cpu") else "bf16 where the GPU has it"
    return f"{result.device}, {automatic if setting == 'auto' else setting}"
