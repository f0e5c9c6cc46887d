"""Writing that leaves the old file or the new one, never half of either."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from MRNLib.errors import InputError

# Of the folders in which replaced_files() stages its files; no other writer's names fit.
STAGED = ".partial-"
STAGED_PATTERN = f"{STAGED}{'[a-z0-9_]' * 8}"


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yields a name beside ``path`` to write to; moves it into place if the block succeeds.

    The name keeps the file's suffixes, by which image writers choose a format. If the block fails
    or the run is killed, ``path`` is as it was. Its contents are on the disk before it has its
    name, so that a power cut does not leave the name with nothing behind it. Its mode is that of
    any new file, even if its writer makes private ones (safetensors does).
    """
    partial = path.with_name(f".partial-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield partial
        _set_usual_mode(partial)
        _sync_file(partial)
        os.replace(partial, path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _set_usual_mode(path: Path) -> None:
    """Gives a file the mode of a new one; the umask cannot be read without being changed."""
    new = path.with_name(f"{path.name}.mode")
    new.touch()
    try:
        path.chmod(new.stat().st_mode)
    finally:
        new.unlink()


def _sync_file(path: Path) -> None:
    """Brings a file's contents to the disk."""
    # Windows syncs only what is open for writing, which a copied file may not allow.
    mode = "rb+" if sys.platform == "win32" else "rb"
    with contextlib.suppress(PermissionError), path.open(mode) as written:
        os.fsync(written.fileno())


def _sync_below(folder: Path) -> None:
    """Brings all below a folder to the disk, so that nothing is moved that is not there yet."""
    for path in folder.rglob("*"):
        if path.is_file():
            _sync_file(path)
        elif path.is_dir():
            _sync_folder(path)
    _sync_folder(folder)


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
        _sync_below(partial)
        if path.exists():
            os.replace(path, old)
        os.replace(partial, path)
        _sync_folder(path.parent)
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
    remove_partial(out)
    with _being_written(out):
        # Inside ``out``, which may be a mount or a link: a move must stay on its file system.
        staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=out))
        try:
            yield staged
            _sync_below(staged)
            names = [path.relative_to(staged) for path in staged.rglob("*") if path.is_file()]
            for name in names:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged / name, out / name)
            for name in {Path(name) for name in optional}.difference(names):
                (out / name).unlink(missing_ok=True)
            for folder in {out, *((out / name).parent for name in names)}:
                _sync_folder(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def remove_partial(out: Path, alone: bool = False) -> None:
    """Removes what killed runs of :func:`replaced_files` left in ``out``; nothing if one runs.

    Args:
        out: Folder; it need not exist.
        alone: Whether the caller knows that none runs, for systems and folders without locks.
    """
    left = [path for path in out.glob(STAGED_PATTERN) if path.is_dir()]
    if not left:
        return
    try:
        descriptor = _lock(out, shared=False)
    except BlockingIOError:
        return
    if descriptor is not None or alone:
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
    if descriptor is not None:
        os.close(descriptor)


@contextmanager
def _being_written(folder: Path) -> Iterator[None]:
    """Keeps :func:`remove_partial` from a folder until the block or this process ends."""
    descriptor = None
    # Not waited for: a user may hold the folder's lock around the whole command.
    with contextlib.suppress(BlockingIOError):
        descriptor = _lock(folder, shared=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path, shared: bool) -> int | None:
    """Locks a folder for as long as the descriptor it gives is open; None where that cannot be.

    Raises:
        BlockingIOError: Somebody else has it.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_NB | (fcntl.LOCK_SH if shared else fcntl.LOCK_EX))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None  # a file system without locks
    return descriptor


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
