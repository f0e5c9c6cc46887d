"""What is to be run, checked as far as it can be before the long work."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MRNLib.cohort.discovery import Found, Layout, Patterns, find_cases, without_masks
from MRNLib.cohort.loading import Diagnose, Models
from MRNLib.cohort.records import Keep
from MRNLib.errors import BundleError, InputError
from MRNLib.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from MRNLib.bundle import Bundle

# What a worker needs with a bundle of the paper's size, as far as the choice of their number goes.
WORKER_BYTES = 3 * 2**30


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Attributes:
        folder: Holds the cases.
        out: Where everything is written.
        parameters: Settings of every case.
        keep: What is kept of a case beside its record.
        given_masks: Use masks that lie beside the volumes.
        patterns: Which file is what in a BIDS-style folder.
        workers: Processes of the local cluster; 0 works in this process; None takes as many as this
            machine has room for.
        scheduler: Address of a Dask scheduler instead.
        threads: Of each process; None is one on workers, all in this process.
        retry_failed: Do failed cases again, too.
        make: See :class:`~MRNLib.cohort.loading.Models`.

    Raises:
        InputError: Both ``workers`` and ``scheduler`` are given.
    """

    folder: Path
    out: Path
    parameters: Parameters = field(default_factory=Parameters)
    keep: Keep = "report"
    given_masks: bool = True
    patterns: Patterns = field(default_factory=Patterns)
    workers: int | None = None
    scheduler: str | None = None
    threads: int | None = None
    retry_failed: bool = False
    make: Callable[[Models, int], Diagnose] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.scheduler is not None:
            raise InputError("--workers starts processes here, --scheduler has its own: give one")

    def settings(self) -> dict[str, Any]:
        """What was chosen, as JSON values."""
        patterns = {name: value for name, value in vars(self.patterns).items() if value}
        return self.parameters.to_jsonable() | {
            "given_masks": self.given_masks,
            "patterns": patterns,
        }


def survey(order: Order, bundle: Bundle) -> tuple[Layout, list[Found]]:
    """The cases of an order; unusable ones too, and those whose nuclei the bundle cannot outline.

    Raises:
        InputError: There are none, or none of them can be used with this bundle.
    """
    wanted = order.patterns if bundle.needs_t1 else replace(order.patterns, t1=None)
    layout, found = find_cases(order.folder, wanted)
    if not order.given_masks:
        found = [without_masks(one) for one in found]
    checked = [_outlined(one, bundle) for one in found]
    usable = any(one.case for one in found)
    if usable and not any(one.case for one in checked):
        # The same for all, then: no case would fare better.
        raise BundleError(next(one.error for one in checked if one.error))
    return layout, checked


def _outlined(found: Found, bundle: Bundle) -> Found:
    """``found``, unusable if it has no mask and the bundle no segmenter for one."""
    if found.case is None:
        return found
    masks = {"QSM": found.case.qsm_mask, "NM": found.case.nm_mask}
    for modality, mask in masks.items():
        if mask is None and modality not in bundle.manifest.segmenters:
            error = InputError(
                f"The bundle {bundle.manifest.name} has no segmenter for {modality}.",
                remedy=f"put a {modality} mask beside the volumes, or use another bundle",
            )
            return replace(found, case=None, error=str(error))
    return found


def chosen_workers(order: Order, cases: int) -> int:
    """How many processes a local cluster has; 0 works in this one.

    Where nothing was chosen: one for each GPU that is to be used, or else for each core, as far as
    the memory goes.
    """
    if order.workers is not None or order.scheduler is not None:
        return order.workers or 0
    if order.parameters.device != "cpu":
        import torch

        if torch.cuda.is_available():
            return min(torch.cuda.device_count(), cases)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, _memory() // WORKER_BYTES, cases))


def _memory() -> int:
    """Bytes of memory that are free now."""
    import psutil

    return int(psutil.virtual_memory().available)
