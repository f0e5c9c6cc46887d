"""Volumes on disk, ready to be navigated: float16, one safetensors file each, memory-mapped.

Reading and normalising thousands of examinations takes hours, opening them from here milliseconds;
the pages of a volume come into memory when slices are cut from it, and go when it is short.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from MRNLib.errors import InputError
from MRNLib.navigation.volumes import WHOSE, Volume
from MRNLib.writing import replaced

ENDING = ".safetensors"
# The one entry of the files' metadata.
FACTS = "volume"


def save_volume(volume: Volume, path: Path) -> None:
    """Writes a volume beside its target and moves it into place; values become float16."""
    tensors = {"values": volume.values.half().contiguous().cpu()}
    if volume.labels is not None:
        tensors["labels"] = volume.labels.contiguous().cpu()
    facts = {
        "name": volume.name,
        "role": volume.role,
        "spacing": volume.spacing,
        "origin": volume.origin,
        "phantom": volume.phantom,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        save_file(tensors, partial, metadata={FACTS: json.dumps(facts)})


def load_volume(path: Path) -> Volume:
    """Opens one volume; its voxels stay in the file until they are used.

    Raises:
        InputError: The file is none of :func:`save_volume`.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            facts = json.loads(stored.metadata()[FACTS])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        if set(tensors) - {"values", "labels"} or tensors["values"].dtype != torch.float16:
            raise ValueError("unknown tensors")
        return Volume(
            tensors["values"],
            tuple(facts["spacing"]),
            tuple(facts["origin"]),
            facts["name"],
            facts["role"],
            tensors.get("labels"),
            facts["phantom"],
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "is not a volume prepared for navigation",
            file=path,
            expected="a file made by pretrain_navigation.py volumes",
            remedy="remove it and make the volumes again",
        ) from error


def volume_files(folder: Path) -> list[Path]:
    """The files of a folder that are or should be volumes, in the order of their names."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if not path.name.startswith("."))


def load_volumes(folder: Path) -> list[Volume]:
    """All volumes of a folder in the order of their files' names.

    Raises:
        InputError: There are none, or one of the files cannot be opened.
    """
    paths = volume_files(folder)
    if not paths:
        raise InputError(
            "the folder holds no volumes prepared for navigation",
            file=folder,
            expected=f"*{ENDING} files",
            remedy="make them with pretrain_navigation.py volumes",
        )
    return [load_volume(path) for path in paths]


class MixedError(InputError):
    """A volume of a digital patient for a folder of people's, or the other way round."""


class VolumeCache:
    """A folder of volumes by key; several processes may fill it at once.

    Args:
        folder: Made if missing. It holds data derived from patients.

    Attributes:
        replaced: How many older states of a volume were removed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replaced = 0
        self._asked: set[str] = set()

    def path(self, key: str) -> Path:
        """Where the volume of ``key`` lies; a key has to be fit for a file's name."""
        return self.folder / f"{key}{ENDING}"

    def kept(
        self, key: str, make: Callable[[], Volume], *, labels: bool = False, older: str = ""
    ) -> Volume:
        """The volume of ``key`` from the folder, made and stored first if it is not there.

        Args:
            key: What the volume was made from, so that another source has another key.
            make: Called if there is no such file, or it is damaged or lacks the labels.
            labels: Whether the volume has to have labels.
            older: Part of the keys of its older states, which are removed once it is made.

        Raises:
            MixedError: It is a digital patient's and the folder holds people's, or the reverse.
        """
        path = self.path(key)
        self._asked.add(path.name)
        volume = self._found(path, labels)
        if volume is None:
            volume = make()
            self._check_same_origin(volume)
            save_volume(volume, path)
            volume = load_volume(path)
            for other in volume_files(self.folder) if older else ():
                if older in other.name and other != path:
                    other.unlink(missing_ok=True)
                    self.replaced += 1
        return volume

    def others(self) -> list[str]:
        """Names of the folder's files that were not asked for, in their order."""
        return [path.name for path in volume_files(self.folder) if path.name not in self._asked]

    def _check_same_origin(self, volume: Volume) -> None:
        """Refuses what no training takes together, before it is written."""
        if self._of_phantoms() not in (None, volume.phantom):
            raise MixedError(
                f"the folder holds volumes of {WHOSE[not volume.phantom]}, "
                f"and {volume} is of {WHOSE[volume.phantom]}",
                file=self.folder,
                remedy="name another --out folder: no training takes both",
            )

    def _of_phantoms(self) -> bool | None:
        """What the first whole volume of the folder is of, as all are; None without any."""
        for path in volume_files(self.folder):
            with suppress(InputError):
                return load_volume(path).phantom
        return None

    def _found(self, path: Path, labels: bool) -> Volume | None:
        """The volume of a file, if it is whole and has what is wanted."""
        if path.is_file():
            try:
                found = load_volume(path)
                if found.labels is not None or not labels:
                    return found
            except InputError:
                path.unlink(missing_ok=True)
        return None
