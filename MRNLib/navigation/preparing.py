"""Filling a folder with volumes to navigate, before anything is trained on them."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from dataclasses import dataclass
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
        InputError: The folder cannot be made or written or holds people's volumes, or a worker
            died.
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


@dataclass(frozen=True)
class Kept:
    """What preparing some files has left in a folder.

    Attributes:
        volumes: How many of these files are there now.
        patients: Of how many patients they are, as their paths tell.
        replaced: How many older states of them were removed.
        skipped: ``file: reason`` of each file that cannot be used.
        others: Names of the folder's volumes that are of none of these files: another source's, or
            left by files that are gone or cannot be used any more.
    """

    volumes: int
    patients: int
    replaced: int
    skipped: list[str]
    others: list[str]


def keep_files(source: Path, folder: Path, progress: Progress = silent) -> Kept:
    """Prepares the volumes of some files.

    Args:
        source: A file, or a folder searched with all folders in it. Several prepared into one
            ``folder`` need names of their own: of two that have the same name, files at the same
            place replace each other.
        folder: Where the volumes go; made if missing. What it has is not read again.
        progress: Called before each file; may raise ``Cancelled``.

    Raises:
        InputError: No file can be used, or the folder cannot be written or holds volumes of
            digital patients where these are people's, or the reverse.
    """
    require_folder(folder)
    cache = VolumeCache(folder)
    volumes, skipped = read_volumes(source, progress, cache)
    patients = len({one.name for one in volumes})
    return Kept(len(volumes), patients, cache.replaced, skipped, cache.others())
