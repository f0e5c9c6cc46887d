"""Files that are whole or not there, and what was kept from earlier runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from MRNLib.cache import ArrayCache, content_key
from MRNLib.errors import InputError
from MRNLib.writing import (
    remove_partial,
    replaced,
    replaced_files,
    replaced_folder,
    require_folder,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="full"), replaced(target) as partial:
        partial.write_text("ne")
        raise RuntimeError("disk full")
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_has_the_mode_of_any_new_one(tmp_path, mask):
    """Safetensors' files are readable by their owner alone."""
    before = os.umask(mask)
    try:
        with replaced(tmp_path / "weights.safetensors") as partial:
            save_file({"one": np.ones(1)}, partial)
    finally:
        os.umask(before)
    (written,) = tmp_path.iterdir()
    assert written.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_set_of_files_is_moved_within_its_own_file_system(tmp_path):
    """The target may be a link to, or a mount of, another one: a move from beside it would fail."""
    real = tmp_path / "elsewhere"
    real.mkdir()
    (tmp_path / "out").symlink_to(real)
    (real / "other.txt").write_text("stays")
    (real / "gone.txt").write_text("of an earlier set")
    with replaced_files(tmp_path / "out", ["gone.txt"]) as folder:
        assert folder.resolve().parent == real
        (folder / "new.txt").write_text("new")
    assert sorted(path.name for path in real.iterdir()) == ["new.txt", "other.txt"]


def test_a_failed_set_of_files_changes_nothing(tmp_path):
    (tmp_path / "old.txt").write_text("old")
    with pytest.raises(RuntimeError), replaced_files(tmp_path, ["old.txt"]) as folder:
        (folder / "old.txt").write_text("new")
        raise RuntimeError
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_cannot_be_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(InputError, match="not a folder"):
            require_folder(place)
    require_folder(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()


def test_a_write_replaces_and_keeps_the_suffixes(tmp_path):
    target = tmp_path / "mask.nii.gz"
    target.write_text("old")
    with replaced(target) as partial:
        assert partial.name.endswith(".nii.gz")
        partial.write_text("new")
    assert target.read_text(encoding="utf-8") == "new"


@pytest.fixture
def noted(monkeypatch):
    """What is synced to the disk, by its number, and what is moved, by its new name."""
    order, move, sync = [], os.replace, os.fsync

    def noted_sync(descriptor):
        order.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def noted_move(source, destination):
        order.append(f"{Path(destination).name} moved")
        move(source, destination)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_move)
    return order


def number(path):
    return path.stat().st_ino


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, noted):
    target = tmp_path / "state"
    with replaced(target) as partial:
        partial.write_text("new")
    folder = [number(tmp_path)] if os.name == "posix" else []
    assert noted == [number(target), "state moved", *folder]


def test_files_are_on_the_disk_before_they_have_their_names(tmp_path, noted):
    """Else a power cut leaves the names of masks with nothing behind them."""
    for writing in (replaced_files, replaced_folder):
        out = tmp_path / "out"
        with writing(out) as folder:
            (folder / "figures").mkdir()
            for name in ("mask", "figures/one"):
                (folder / name).write_text("new")
            (folder / "mask").chmod(0o444)  # as it may be copied
        moved = next(at for at, what in enumerate(noted) if "moved" in str(what))
        files = {number(out / "mask"), number(out / "figures" / "one")}
        assert files <= set(noted[:moved])
        if os.name == "posix":
            names = {number(out), number(out / "figures")}
            assert names <= {*noted}
            if writing is replaced_folder:
                assert names <= set(noted[:moved])
                assert number(tmp_path) in noted[moved:]
            else:
                assert names <= set(noted[moved:])
        noted.clear()


KILLED = """
import os, signal, sys
from pathlib import Path
from MRNLib.writing import replaced_files
with replaced_files(Path(sys.argv[1])) as folder:
    (folder / "mask").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="no locks of folders")
def test_what_a_killed_write_left_goes_and_what_is_being_written_stays(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".partial-")
    (tmp_path / "other.txt").write_text("stays")
    (tmp_path / ".partial-0a1b2c3d-other.txt").write_text("somebody's replaced()")
    with replaced_files(tmp_path) as folder:  # sweeps at its start
        assert not left.exists()
        left.mkdir()
        remove_partial(tmp_path)
        remove_partial(tmp_path, alone=True)
        assert folder.exists()
        assert left.exists()
    remove_partial(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".partial-0a1b2c3d-other.txt",
        "other.txt",
    ]
    remove_partial(tmp_path / "nowhere")


def test_without_locks_a_leftover_goes_when_nobody_else_can_be_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    left = tmp_path / ".partial-abcdefgh"
    left.mkdir()
    with replaced_files(tmp_path) as folder:
        (folder / "new").touch()
    assert left.exists()
    remove_partial(tmp_path, alone=True)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_failed_folder_leaves_the_old_folder(tmp_path):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_text("old")
    with pytest.raises(RuntimeError, match="stop"), replaced_folder(target) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError("stop")
    assert (target / "a").read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]
    with replaced_folder(target) as folder:
        (folder / "b").write_text("new")
    assert [path.name for path in target.iterdir()] == ["b"]


def test_a_folder_that_cannot_be_moved_in_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_text("old")
    real, calls = os.replace, []

    def fail_the_second(source, destination):
        calls.append(source)
        if len(calls) == 2:
            raise OSError("no space left")
        real(source, destination)

    monkeypatch.setattr(os, "replace", fail_the_second)
    with pytest.raises(OSError, match="no space"), replaced_folder(target) as folder:
        (folder / "a").write_text("new")
    assert (target / "a").read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_key_depends_on_values_shape_type_and_order():
    base = np.arange(6, dtype=np.float32)
    keys = {
        content_key("token", base),
        content_key("token", base.reshape(2, 3)),
        content_key("token", base.astype(np.float64)),
        content_key("token", base + 1),
        content_key(base, "token"),
        content_key("token", base, None),
    }
    assert len(keys) == 6
    assert content_key("token", base) == content_key("token", base.copy())


def test_cache_on_disk_survives_and_ignores_damage(tmp_path):
    array = np.arange(4.0)
    ArrayCache(tmp_path).put("abcd", array)
    np.testing.assert_array_equal(ArrayCache(tmp_path).get("abcd"), array)
    path = tmp_path / "ab" / "abcd.npy"
    path.write_bytes(path.read_bytes()[:-3])
    assert ArrayCache(tmp_path).get("abcd") is None
    assert ArrayCache().get("abcd") is None


def test_the_cache_keeps_the_latest_in_memory_and_all_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("MRNLib.cache.MEMORY_BYTES", 100)
    in_memory, on_disk = ArrayCache(), ArrayCache(tmp_path)
    for cache in (in_memory, on_disk):
        for key in ("aa", "bb"):
            cache.put(key, np.zeros(40, np.uint8))
        cache.get("aa")  # used again, so "bb" is the one to go
        cache.put("cc", np.zeros(40, np.uint8))
    assert [in_memory.get(key) is not None for key in ("aa", "bb", "cc")] == [True, False, True]
    assert all(on_disk.get(key) is not None for key in ("aa", "bb", "cc"))
