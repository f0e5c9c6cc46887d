"""Runs cells: several at once by Dask, on this machine or on a cluster, or one after another here.

A cell whose worker process dies is given to another one and goes on from its checkpoint. After
Ctrl-C nothing new is begun and what runs saves itself; finished cells stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from MRNLib.cluster import scheduling
from MRNLib.experiments.board import Board
from MRNLib.experiments.results import Job
from MRNLib.experiments.running import run_cell

# How long running cells have to save themselves after Ctrl-C.
GRACE_SECONDS = 120.0


def run_here(jobs: Sequence[Job], board: Board) -> dict[str, str]:
    """Runs cells one after another in this process: :func:`MRNLib.cluster.scheduling.run_here`."""
    return scheduling.run_here(jobs, run_cell, board)


def run_with_dask(
    jobs: Sequence[Job], board: Board, *, workers: int = 1, scheduler: str | None = None
) -> dict[str, str]:
    """Runs cells on Dask's workers: :func:`MRNLib.cluster.scheduling.run_with_dask`.

    Args:
        jobs: Cells; their folders must be the same for all workers.
        board: Where progress is shown.
        workers: Processes of the local cluster, of ``job.threads`` threads each.
        scheduler: Address of a running scheduler instead.

    Returns:
        Why cells failed, by key.
    """
    if not jobs:
        return {}
    return scheduling.run_with_dask(
        jobs,
        run_cell,
        board,
        out=jobs[0].out,
        grace=GRACE_SECONDS,
        workers=workers,
        scheduler=scheduler,
    )
