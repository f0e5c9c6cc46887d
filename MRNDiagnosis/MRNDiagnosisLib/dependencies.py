"""Installing what is missing in Slicer's Python, and proving that it works.

No dialog is shown from here but those of Slicer's own installer, and everything that touches Slicer
comes in through :class:`Tools`. An installation that cannot go on raises an InputError.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.import_check import IMPORT_NAMES, failed_imports
from MRNDiagnosisLib.packages import (
    Requirement,
    installed,
    missing,
    requirements,
    slicer_problem,
    slicer_version,
)
from MRNLib.errors import Cancelled, InputError
from MRNLib.progress import Progress, silent

__all__ = [
    "Requirement",
    "Tools",
    "install",
    "install_from_folder",
    "missing",
    "prove",
    "requirements",
    "slicer_problem",
    "slicer_tools",
    "slicer_version",
]

REQUESTER = "MRN Diagnosis"
# Slicer brings these, or its PyTorch extension does: pip must not put others in their place.
SKIPPED = ("torch", "torchvision", "numpy", "SimpleITK", "requests")
BY_SLICER = ("numpy", "SimpleITK")
OFFLINE = "without a network, install from a folder of wheels"


@dataclass(frozen=True)
class Tools:
    """What installing uses; tests bring their own.

    Attributes:
        install_torch: ``PyTorchUtilsLogic().installTorch``.
        pip_ensure: ``slicer.packaging.pip_ensure``.
        pip_install: ``slicer.packaging.pip_install``.
        python: The Python that ``mrn`` runs in.
        run: ``subprocess.run``.
        busy: A context for the import check, such as a wait cursor.
        attended: Whether somebody is there to answer Slicer's windows: the offer to restart, and
            the message that an installation failed.
    """

    install_torch: Callable[..., Any]
    pip_ensure: Callable[..., Any]
    pip_install: Callable[..., Any]
    python: Sequence[str] = (sys.executable,)
    run: Callable[..., Any] = subprocess.run
    busy: Callable[[], AbstractContextManager[Any]] = nullcontext
    attended: bool = True


def slicer_tools(*, attended: bool = True) -> Tools:
    """The tools inside Slicer.

    Args:
        attended: As in :class:`Tools`.

    Raises:
        InputError: Slicer is too old, or the PyTorch extension is missing.
    """
    import slicer.util

    if problem := slicer_problem(slicer_version(slicer.app)):
        raise InputError(problem, remedy="install the current Slicer from download.slicer.org")
    import slicer.packaging

    try:
        import PyTorchUtils
    except ImportError as error:
        raise InputError(
            "Slicer's PyTorch extension is not installed.",
            remedy="install 'PyTorch' in the Extensions Manager and restart Slicer",
        ) from error
    return Tools(
        PyTorchUtils.PyTorchUtilsLogic().installTorch,
        slicer.packaging.pip_ensure,
        slicer.packaging.pip_install,
        python=(shutil.which("PythonSlicer") or "PythonSlicer",),
        busy=slicer.util.WaitCursor,
        attended=attended,
    )


def install(tools: Tools, progress: Progress = silent, *, prompt: bool = False) -> None:
    """Installs what is missing and proves that all of it can be imported.

    For the main thread: Slicer's installer shows its own progress there.

    Args:
        tools: From :func:`slicer_tools`.
        progress: Called between the steps.
        prompt: Let Slicer's installers ask before they begin; False after a click on "Install".

    Raises:
        InputError: Something could not be installed or imported; the text says what.
        Cancelled: The user declined.
    """
    _require_slicers_own()
    progress(0.0, "Installing PyTorch")
    _install_torch(tools, prompt)
    progress(0.5, "Installing packages")
    wanted = [entry.text for entry in missing() if entry.name not in SKIPPED]
    if wanted:
        try:
            tools.pip_ensure(
                wanted,
                skip_packages=list(SKIPPED),
                prompt_install=prompt,
                prompt_restart=tools.attended,
                show_progress=tools.attended,
                requester=REQUESTER,
            )
        except RuntimeError as error:
            if "declined" in str(error):
                raise Cancelled("Nothing was installed.") from error
            raise
        except (subprocess.CalledProcessError, OSError) as error:
            raise _failed("The packages", error) from error
    prove(tools, progress)


def _install_torch(tools: Tools, prompt: bool) -> None:
    torch = next(entry for entry in requirements() if entry.name == "torch")
    wanted = torch.text.removeprefix("torch")
    if torch.installed is not None and not torch.satisfied:
        raise InputError(
            f"PyTorch {torch.installed} is installed.",
            expected=f"PyTorch {wanted}",
            remedy="uninstall it in the module 'PyTorch Utils', restart Slicer and install again",
        )
    if torch.satisfied and installed("torchvision") is not None:
        return
    try:
        done = tools.install_torch(askConfirmation=prompt, torchVersionRequirement=wanted)
    except (subprocess.CalledProcessError, OSError, ImportError) as error:
        raise _failed("PyTorch", error) from error
    if done is None:
        raise Cancelled("PyTorch was not installed.")


def install_from_folder(folder: Path, tools: Tools, progress: Progress = silent) -> None:
    """Installs what is missing from wheels in ``folder``, without a network, and proves it.

    Slicer's own packages stay as they are.

    Raises:
        InputError: No wheels, one is missing there, or an import fails afterwards.
    """
    if not any(folder.glob("*.whl")):
        raise InputError(
            "There are no wheels in this folder.",
            file=folder,
            expected="*.whl files for this system and Python",
            remedy="fill it on a computer with a network: pip download -d FOLDER -r "
            "requirements.txt torchvision",
        )
    wanted = [entry.text for entry in missing()]
    if installed("torchvision") is None:
        wanted.append("torchvision")
    _require_slicers_own()
    progress(0.0, "Installing from the folder")
    with tempfile.TemporaryDirectory(prefix="mrn-install-") as temporary:
        constraints = Path(temporary) / "constraints.txt"
        kept = {name: version for name in SKIPPED if (version := installed(name)) is not None}
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()))
        source = ["--no-index", f"--find-links={folder}"]
        try:
            if wanted:
                tools.pip_install(
                    [*source, *wanted], constraints=str(constraints), requester=REQUESTER
                )
        except (subprocess.CalledProcessError, OSError) as error:
            raise InputError(
                "Not everything could be installed from this folder.",
                file=folder,
                expected="wheels of " + ", ".join(wanted) + ", and of what these need",
                remedy="the log names the package that is missing or does not fit",
            ) from error
    prove(tools, progress)


def prove(tools: Tools, progress: Progress = silent) -> None:
    """Imports every requirement in a child of the Python that runs use.

    Raises:
        InputError: A package is missing still, or cannot be imported; the text says why.
    """
    _require_slicers_own()
    if left := missing():
        said = ", ".join(f"{entry.text} ({entry.installed or 'not there'})" for entry in left)
        raise InputError(f"Missing after the installation: {said}.", remedy=OFFLINE)
    progress(0.8, "Checking that everything can be imported")
    names = [IMPORT_NAMES.get(entry.name, entry.name) for entry in requirements()]
    with tools.busy():
        failed = failed_imports(names, tools.python, tools.run)
    if failed:
        said = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise InputError(
            f"Installed, but it cannot be imported. {said}",
            remedy="restart Slicer and install again; packages of another extension may disagree",
        )
    progress(1.0, "Everything is installed and works")


def _require_slicers_own() -> None:
    """Refuses a Slicer whose own packages are too old: no installation can mend that."""
    old = [entry for entry in missing() if entry.name in BY_SLICER]
    if old:
        found = ", ".join(f"{entry.name} {entry.installed or 'not there'}" for entry in old)
        raise InputError(
            f"This module needs a newer Slicer: {found}, which Slicer brings itself.",
            expected=", ".join(entry.text for entry in old),
            remedy="install the current Slicer from download.slicer.org",
        )


def _failed(what: str, error: BaseException) -> InputError:
    return InputError(
        f"{what} could not be installed ({error}).",
        remedy=f"the log says why: a proxy, no network, a full disk; {OFFLINE}",
    )
