"""The folder that keeps volumes, and digital patients in it."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import SimpleITK as sitk
import torch
from navigation_toys import head, noise
from volume_files import brain, write

from MRNLib.errors import InputError
from MRNLib.navigation.preparing import keep_files
from MRNLib.navigation.volumecache import (
    MixedError,
    VolumeCache,
    load_volume,
    load_volumes,
    save_volume,
    volume_files,
)
from MRNLib.navigation.volumes import BACKGROUND, Volume
from MRNLib.navigation.volumesources import phantom_volumes, read_volumes
from MRNLib.phantom import DEMO_SEEDS, patient
from MRNLib.training.sources import phantom_name


def test_a_volume_is_kept_as_it_is(tmp_path):
    volume = noise(dtype=torch.float16)
    save_volume(volume, tmp_path / "one.safetensors")
    again = load_volume(tmp_path / "one.safetensors")
    for name in ("values", "labels"):
        assert torch.equal(getattr(again, name), getattr(volume, name))
    for name in ("spacing", "origin", "name", "role", "phantom"):
        assert getattr(again, name) == getattr(volume, name)


def test_the_cache_reads_a_file_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    path = write(tmp_path, "in/P1_T1.nii.gz", brain())
    write(tmp_path, "in/P2_T1.nii.gz", brain(1))
    cache = VolumeCache(tmp_path / "cache")
    first, _ = read_volumes(tmp_path / "in", cache=cache)
    assert len(load_volumes(cache.folder)) == 2

    read = []
    usual = sitk.ReadImage
    monkeypatch.setattr(sitk, "ReadImage", lambda name: read.append(name) or usual(name))
    again, _ = read_volumes(tmp_path / "in", cache=cache)
    assert read == []
    assert torch.equal(first[0].values, again[0].values)
    write(tmp_path, "in/P1_T1.nii.gz", brain(2)[:10])
    changed, _ = read_volumes(tmp_path / "in", cache=cache)
    assert read == [str(path)]
    assert changed[0].size[2] == 10
    # The older state is gone: nobody trains on it.
    assert [one.size[2] for one in load_volumes(cache.folder)] == [10, 12]
    assert cache.replaced == 1


def test_a_source_that_has_moved_is_known_again(tmp_path, monkeypatch):
    write(tmp_path, "here/in/P1/T1.nii.gz", brain())
    cache = VolumeCache(tmp_path / "cache")
    read_volumes(tmp_path / "here/in", cache=cache)
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.setattr(sitk, "ReadImage", None)
    read_volumes(tmp_path / "there/in", cache=cache)
    assert len(load_volumes(cache.folder)) == 1


def test_what_is_of_no_file_of_the_source_is_named_and_stays(tmp_path):
    first, second = (write(tmp_path, f"in/{name}/T1.nii.gz", brain()) for name in ("P1", "P2"))
    write(tmp_path, "other/P1/T1.nii.gz", brain(3))
    out = tmp_path / "cache"
    save_volume(head(), out / "phantom_0000001_NM.safetensors")
    keep_files(tmp_path / "other", out)
    kept = keep_files(tmp_path / "in", out)
    assert (kept.volumes, kept.patients, kept.replaced, kept.skipped) == (2, 2, 0, [])
    assert len(kept.others) == 2
    first.unlink()
    write(tmp_path, "in/P2/T1.nii.gz", brain(4)[:10])
    kept = keep_files(tmp_path / "in", out)
    assert (kept.volumes, kept.patients, kept.replaced) == (1, 1, 1)
    assert [name.split("_")[0] for name in kept.others] == ["P1", "P1", "phantom"]
    assert len(load_volumes(out)) == 4
    second.write_bytes(b"damaged")
    write(tmp_path, "in/P3/T1.nii.gz", brain(5))
    kept = keep_files(tmp_path / "in", out)
    assert [name.split("_")[0] for name in kept.others] == ["P1", "P1", "P2", "phantom"]
    assert len(kept.skipped) == 1


def test_a_damaged_volume_is_named_and_made_again(tmp_path):
    cache = VolumeCache(tmp_path)
    cache.path("key").write_bytes(b"half a file")
    with pytest.raises(InputError, match="not a volume prepared for navigation") as caught:
        load_volumes(tmp_path)
    assert caught.value.file == str(cache.path("key"))
    assert cache.kept("key", head).name == "head_0"
    assert load_volumes(tmp_path)[0].name == "head_0"


def test_an_empty_folder_of_volumes_says_how_to_fill_it(tmp_path):
    with pytest.raises(InputError, match="no volumes prepared"):
        load_volumes(tmp_path)


def test_digital_patients_are_made_once_and_have_one_name(tmp_path, monkeypatch):
    made = []
    usual = functools.partial(patient.generate, region="deep-grey")

    def generate(seed, modalities):
        made.append(seed)
        return usual(seed, modalities=modalities)

    monkeypatch.setattr(patient, "generate", generate)
    seed = DEMO_SEEDS[40]
    cache = VolumeCache(tmp_path)
    qsm, nm = phantom_volumes([seed], labels=True, cache=cache)
    assert qsm.name == nm.name == phantom_name(seed)
    assert (qsm.role, nm.role) == ("QSM", "NM")
    assert qsm.phantom
    assert qsm.labels.max() == 16
    assert nm.labels.max() == 2
    for volume in (qsm, nm):
        assert (volume.values > BACKGROUND).float().mean() > 0.5
    # Rows run to posterior: iron lies in front of the middle of the brain stem's nuclei.
    caudate, dentate = (_middle(qsm, labels)[1] for labels in ((1, 2), (15, 16)))
    assert caudate < dentate
    list(phantom_volumes([seed], labels=True, cache=cache))
    assert made == [seed]


@pytest.mark.parametrize("phantom", [False, True])
def test_people_and_digital_patients_are_not_prepared_into_one_folder(tmp_path, phantom):
    old, new = (dataclasses.replace(head(), phantom=one) for one in (not phantom, phantom))
    cache = VolumeCache(tmp_path)
    cache.kept("a", lambda: old)
    there, here = ("people", "digital patients")[:: 1 if phantom else -1]
    with pytest.raises(MixedError, match=f"holds volumes of {there}, and .* is of {here}"):
        cache.kept("b", lambda: new)
    assert [path.name for path in volume_files(tmp_path)] == ["a.safetensors"]


def test_files_for_a_folder_of_digital_patients_are_refused_at_the_first(tmp_path):
    VolumeCache(tmp_path / "out").kept("a", lambda: dataclasses.replace(head(), phantom=True))
    for name in ("sub-1_T1w.nii.gz", "sub-2_T1w.nii.gz"):
        write(tmp_path / "in", name, brain())
    with pytest.raises(MixedError, match="another --out folder"):
        keep_files(tmp_path / "in", tmp_path / "out")


def _middle(volume: Volume, labels: tuple[int, ...]) -> torch.Tensor:
    """Mean voxel (i, j, k) of some labels."""
    wanted = torch.isin(volume.labels, torch.tensor(labels, dtype=torch.uint8))
    return wanted.nonzero().double().mean(0).flip(0)
