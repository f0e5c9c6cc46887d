"""A Dask cluster for the length of a command: this machine's, or one that runs already."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MRNLib.errors import InputError
from MRNLib.workers import ignore_interrupts, starting_workers

if TYPE_CHECKING:
    from distributed import Client


@contextlib.contextmanager
def connected(workers: int, scheduler: str | None, out: Path, deaths: int) -> Iterator[Client]:
    """A client of the given scheduler, or of a local cluster that ends with the block.

    Args:
        workers: Processes of the local cluster.
        scheduler: Address of a running scheduler instead.
        out: Where the local cluster's scratch folder is, for as long as the block runs.
        deaths: After more deaths of workers than these the local cluster gives a task up.

    Raises:
        InputError: Dask is not installed, or there is no scheduler at this address.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(
            "Dask is not installed",
            remedy="pip install 'mrn-diagnosis[scale]', or --workers 0 to work in this process",
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is not None:
        with _running(scheduler) as client:
            yield client
    else:
        with _local(workers, out, deaths) as client:
            yield client


def _running(scheduler: str) -> Client:
    """A client of a scheduler that somebody started."""
    from distributed import Client

    try:
        return Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"--scheduler {scheduler}: no Dask scheduler answers there",
            expected="an address such as tcp://host:8786",
            remedy="start 'dask scheduler' and 'dask worker' with this MRNLib, or leave the "
            "option out",
        ) from error


@contextlib.contextmanager
def _local(workers: int, out: Path, deaths: int) -> Iterator[Client]:
    """A client of a cluster of this machine's processes, named 0 and up."""
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": deaths,
        "distributed.worker.profile.enabled": False,
        # Dask's own has the allocator give memory back at every chance, which doubles the time of
        # a training on a CPU.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    with dask.config.set(settings):
        scratch = out / ".dask"
        with starting_workers():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
                local_directory=str(scratch),
            )
        try:
            with cluster, Client(cluster, set_as_default=False) as client:
                client.register_plugin(_deaf_workers())
                yield client
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _deaf_workers() -> Any:
    """A plugin that leaves Ctrl-C to this process, in workers started again as well."""
    from distributed import WorkerPlugin

    class DeafWorkers(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            ignore_interrupts()

    return DeafWorkers()
