"""Writing that leaves the old file or the new one, never half of either."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from MRNLib.errors import InputError


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yields a name beside ``path`` to write to; moves it into place if the block succeeds.

    The name keeps the file's suffixes, by which image writers choose a format. If the block fails
    or the run is killed, ``path`` is as it was. Its contents are on the disk before it has its
    name, so that a power cut does not leave the name with nothing behind it.
    """
    partial = path.with_name(f".partial-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Brings a folder's names to the disk, where the platform opens folders (Windows does not)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Like :func:`replaced`, for a folder: the block fills a new one that then takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex[:8]
    partial = path.with_name(f".partial-{token}-{path.name}")
    old = path.with_name(f".old-{token}-{path.name}")
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            os.replace(path, old)
        os.replace(partial, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def replaced_files(out: Path, optional: Iterable[str] = ()) -> Iterator[Path]:
    """Yields an empty folder to fill; its files are moved into ``out`` if the block succeeds.

    Args:
        out: Folder, made if missing; other files in it stay.
        optional: Files of an earlier set, relative to ``out``, that go if this one lacks them.
    """
    out.mkdir(parents=True, exist_ok=True)
    # Inside ``out``, which may be a mount or a link: a move must stay on its file system.
    staged = Path(tempfile.mkdtemp(prefix=".partial-", dir=out))
    try:
        yield staged
        names = [path.relative_to(staged) for path in staged.rglob("*") if path.is_file()]
        for name in names:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged / name, out / name)
        for name in {Path(name) for name in optional}.difference(names):
            (out / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def remove_partial(out: Path) -> None:
    """Removes what a killed run of :func:`replaced_files` left beside ``out``.

    To be called when no run writes to ``out`` any more.
    """
    if out.parent.is_dir():
        for left in out.parent.iterdir():
            if left.name.startswith(f".partial-{out.name}-"):
                shutil.rmtree(left, ignore_errors=True)


def require_folder(path: Path) -> None:
    """Refuses a folder that could not be written, before the long work whose result it is for.

    Raises:
        InputError: ``path`` or a folder above it is a file, or may not be written.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise InputError(
            "This is a file, not a folder.", file=there, remedy="name another folder for the output"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            "This folder may not be written.",
            file=there,
            remedy="name another folder for the output, or change its permissions",
        )
