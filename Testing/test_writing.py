"""Files that are whole or not there, and what was kept from earlier runs."""

from __future__ import annotations

import os

import numpy as np
import pytest

from MRNLib.cache import ArrayCache, content_key
from MRNLib.errors import InputError
from MRNLib.writing import replaced, replaced_files, replaced_folder, require_folder


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="full"), replaced(target) as partial:
        partial.write_text("ne")
        raise RuntimeError("disk full")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


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
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


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
    assert target.read_text() == "new"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    target, order = tmp_path / "state", []
    move, sync = os.replace, os.fsync

    def noted_sync(descriptor):
        order.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def noted_move(source, destination):
        order.append("moved")
        move(source, destination)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_move)
    with replaced(target) as partial:
        partial.write_text("new")
    folder = [tmp_path.stat().st_ino] if os.name == "posix" else []
    assert order == [target.stat().st_ino, "moved", *folder]


def test_a_failed_folder_leaves_the_old_folder(tmp_path):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_text("old")
    with pytest.raises(RuntimeError, match="stop"), replaced_folder(target) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError("stop")
    assert (target / "a").read_text() == "old"
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
    assert (target / "a").read_text() == "old"
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
