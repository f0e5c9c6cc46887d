"""The models of a process: loaded for its first case, used for all that follow."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from MRNLib.casefiles import Case
from MRNLib.errors import BundleError
from MRNLib.examination import Examination
from MRNLib.finished import bundle_hash
from MRNLib.parameters import Parameters
from MRNLib.progress import Progress


class Result(Protocol):
    """What a diagnoser makes of a case; see :class:`MRNLib.diagnosis.Diagnosis`."""

    @property
    def examination(self) -> Examination:
        """The result."""

    def write(self, out: Path) -> dict[str, Path]:
        """Writes report, figures and masks."""

    @property
    def outlines(self) -> Any:
        """Writes the masks alone."""


Diagnose = Callable[[Case, Progress], Result]


@dataclass(frozen=True)
class Models:
    """What a process needs to load them.

    Attributes:
        parameters: Settings.
        bundle_sha256: Of the bundle that the run was begun with.
        threads: Of each process; None leaves them as they are.
        make: Makes what diagnoses cases, given this and the number of this process among those of
            the machine; :func:`make_diagnoser` but in tests and benchmarks.
    """

    parameters: Parameters
    bundle_sha256: str
    threads: int | None = None
    make: Callable[[Models, int], Diagnose] | None = None


def make_diagnoser(models: Models, worker: int) -> Diagnose:
    """The road through the models, on this process's threads and GPU."""
    if models.threads is not None:
        use_threads(models.threads)
    if models.parameters.device != "cpu":
        _take_gpu(models.parameters.device, worker)
    from MRNLib.diagnosis import Diagnoser

    diagnoser = Diagnoser(models.parameters)
    diagnoser.classifier([])  # a precision that is not there is wrong for every case

    def diagnose(case: Case, progress: Progress) -> Result:
        diagnoser.cache.forget()  # a record tells of its case alone, whatever came before it
        return diagnoser.diagnose(case, progress)

    return diagnose


# This process's models, and what was made of them.
_loaded: list[tuple[str, Diagnose]] = []


def loaded(models: Models, worker: int) -> Diagnose:
    """Loads the models, or takes those that the case before this one used.

    Raises:
        BundleError: This machine has another bundle under the same name.
        InputError: The bundle or a setting cannot be used.
    """
    make = models.make or make_diagnoser
    settings = models.parameters.to_jsonable()
    key = json.dumps([repr(make), models.bundle_sha256, models.threads, settings])
    if not _loaded or _loaded[0][0] != key:
        _loaded.clear()  # first, so that two never need memory at once
        bundle = models.parameters.bundle
        if bundle_hash(bundle) != models.bundle_sha256:
            raise BundleError(
                f"{platform.node()} has another bundle {bundle}, or it was changed meanwhile",
                remedy="install the same bundle everywhere; the same command goes on",
            )
        _loaded.append((key, make(models, worker)))
    return _loaded[0][1]


def _take_gpu(kind: str, worker: int) -> None:
    """Makes one of several GPUs, in turn, this process's own."""
    import torch

    from MRNLib.training.distributed import dealt_device

    device = dealt_device(kind, worker)
    if device.type == "cuda":
        torch.cuda.set_device(device)


def use_threads(number: int) -> None:
    """Holds the libraries of this process to so many threads."""
    import SimpleITK as sitk
    import torch

    os.environ["OMP_NUM_THREADS"] = str(number)  # read by MRNLib.segmentation
    torch.set_num_threads(number)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(number)


def give_memory_back() -> None:
    """Frees what a case has left, so that ten thousand need no more memory than one."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # of the GNU C library alone
        ctypes.CDLL(None).malloc_trim(0)
