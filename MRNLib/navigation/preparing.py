"""Filling a folder with volumes to navigate, before anything is trained on them."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from pathlib import Path

from MRNLib.navigation.volumecache import VolumeCache
from MRNLib.navigation.volumesources import phantom_volumes, read_volumes
from MRNLib.progress import Progress, silent
from MRNLib.training.interruption import terminated_like_interrupted
from MRNLib.training.sources import phantom_name
from MRNLib.workers import in_processes
from MRNLib.writing import require_folder


def keep_phantoms(
    seeds: Sequence[int], folder: Path, *, labels: bool, workers: int
) -> Generator[str]:
    """Makes digital patients that are not there yet; gives their names as each is there.

    Args:
        seeds: Of the patients.
        folder: Where the volumes go; made if missing.
        labels: With the nuclei, which probes need and pre-training does not.
        workers: Processes; 1: no other than this one.

    Raises:
        InputError: The folder cannot be made or written, or a worker died.
    """
    require_folder(folder)
    keep = functools.partial(_keep, folder=folder, labels=labels)
    with terminated_like_interrupted():
        if workers == 1 or len(seeds) == 1:
            yield from map(keep, seeds)
        else:
            yield from in_processes(keep, seeds, min(workers, len(seeds)))


def _keep(seed: int, folder: Path, labels: bool) -> str:
    for _ in phantom_volumes([seed], labels=labels, cache=VolumeCache(folder)):
        pass
    return phantom_name(seed)


def keep_files(source: Path, folder: Path, progress: Progress = silent) -> tuple[int, list[str]]:
    """Prepares the volumes of some files; returns how many, and why others were left out.

    Args:
        source: A file, or a folder searched with all folders in it.
        folder: Where the volumes go; made if missing. What it has is not read again.
        progress: Called before each file; may raise ``Cancelled``.

    Raises:
        InputError: No file can be used, or the folder cannot be written.
    """
    require_folder(folder)
    volumes, skipped = read_volumes(source, progress, VolumeCache(folder))
    return len(volumes), skipped
