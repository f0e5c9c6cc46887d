"""Volumes from files of any kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from volume_files import SHAPE, brain, write

from MRNLib.errors import InputError
from MRNLib.models.config import IntensityConfig
from MRNLib.navigation.volumes import Volume, normalised
from MRNLib.navigation.volumesources import read_volumes


def with_nan(share: float) -> np.ndarray:
    values = brain()
    values.flat[: int(share * values.size)] = np.nan
    return values


BAD = {
    "flat.nii.gz": (brain()[0], "too small"),
    "one_slice.nii.gz": (brain()[4:5], "too small"),
    "constant.nii.gz": (np.full(SHAPE, 7.0, np.float32), "the same value"),
    "zeros.nii.gz": (np.zeros(SHAPE, np.float32), "all voxels are zero"),
    "label.nii.gz": ((brain() > 0).astype(np.uint8), "one value"),
    "nan.nii.gz": (with_nan(0.1), "10.0 % of the voxels are not numbers"),
    "times.nii.gz": (np.stack([brain(), brain()]), "4-D"),
    "QSM.nii.gz": (brain(), "not a susceptibility map"),
}


def write_bad(folder: Path, name: str) -> Path:
    return write(folder, name, BAD[name][0])


def broken(folder: Path) -> Path:
    path = folder / "broken.nii.gz"
    path.write_bytes(b"nothing of the kind")
    return path


def colours(folder: Path) -> Path:
    array = np.zeros((*SHAPE, 3), np.uint8)
    return write(folder, "colours.nii.gz", array, vector=True)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_alone_is_an_error(name, tmp_path):
    path = write_bad(tmp_path, name)
    for source in (path, [path], tmp_path):
        with pytest.raises(InputError, match=BAD[name][1]) as caught:
            read_volumes(source)
        assert caught.value.file == str(path)


@pytest.mark.parametrize("make", [broken, colours])
def test_what_is_no_grey_image_is_an_error(make, tmp_path):
    path = make(tmp_path)
    with pytest.raises(InputError, match=r"damaged|3 numbers"):
        read_volumes(path)


def test_bad_files_among_others_are_skipped_with_a_line(tmp_path):
    good = write(tmp_path, "good.nii.gz", brain())
    for name in BAD:
        write_bad(tmp_path, name)
    broken(tmp_path)
    colours(tmp_path)
    said = []
    volumes, skipped = read_volumes(tmp_path, lambda fraction, message: said.append(message))
    assert [volume.name for volume in volumes] == ["good"]
    assert len(skipped) == len(BAD) + 2
    for name, (_, reason) in BAD.items():
        line = next(line for line in skipped if line.startswith(f"{tmp_path / name}: "))
        assert reason in line
        assert "\n" not in line
    assert said[-1] == "1 volumes, 10 files skipped"
    good.unlink()
    with pytest.raises(InputError, match="none of 10 files can be used"):
        read_volumes(tmp_path)


def test_nothing_to_read_is_an_error(tmp_path):
    for source in (tmp_path, tmp_path / "missing", tmp_path / "missing.nii.gz", []):
        with pytest.raises(InputError):
            read_volumes(source)
    with pytest.raises(InputError, match="holds no NIfTI, NRRD or MHA files"):
        read_volumes(tmp_path)


def test_a_few_numbers_that_are_missing_are_filled_in(tmp_path):
    volumes, skipped = read_volumes(write(tmp_path, "few.nii.gz", with_nan(0.005)))
    assert skipped == []
    assert torch.isfinite(volumes[0].values).all()


def test_values_lie_where_the_file_says_whichever_way_it_is_stored(tmp_path):
    path = write(tmp_path, "sub-7/anat/sub-7_acq-x_T1w.nii.gz", brain())
    stored = sitk.ReadImage(str(path))
    turned = sitk.PermuteAxes(stored, (2, 0, 1))[::-1]
    sitk.WriteImage(turned, str(tmp_path / "sub-8_T1w.nrrd"))
    one, other = read_volumes(tmp_path)[0]
    assert (one.name, one.role, other.name, other.role) == ("sub-7", "T1", "sub-8", "T1")
    assert one.values.dtype == torch.float16
    assert torch.equal(one.values, other.values)
    for volume in (one, other):
        assert volume.spacing == pytest.approx((0.8, 0.9, 2.0))
        assert volume.origin == pytest.approx((-7.0, 5.0, 11.0))
        assert not volume.phantom
    expected = normalised(brain(), "T1").astype(np.float16)
    np.testing.assert_array_equal(one.values.numpy(), expected)


def test_susceptibility_comes_in_ppb_or_ppm(tmp_path):
    map_in_ppb = np.random.default_rng(1).normal(10, 40, SHAPE).astype(np.float32)
    ppb = read_volumes(write(tmp_path / "a", "QSM.nii.gz", map_in_ppb))[0][0]
    ppm = read_volumes(write(tmp_path / "b", "QSM.nii.gz", map_in_ppb / 1000))[0][0]
    assert ppb.role == "QSM"
    assert (ppb.name, ppm.name) == ("a", "b")
    torch.testing.assert_close(ppb.values, ppm.values, rtol=0, atol=1e-3)
    low, high = IntensityConfig().qsm_window
    expected = ((map_in_ppb - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(ppb.values.numpy(), expected, atol=1e-3)


def test_what_a_mask_left_of_a_map_is_background_and_a_single_zero_is_not():
    values = np.full((6, 7, 8), 20.0, np.float32)
    values[:, :3] = 0
    values[4, 5, 5] = 0
    unit = normalised(values, "QSM")
    assert (unit[:, :3] == 0).all()
    assert unit[4, 5, 5] == pytest.approx(0.3)
    assert unit[4, 5, 6] == pytest.approx(0.34)


def test_other_images_go_by_percentiles_of_what_is_not_zero():
    values = np.zeros(1000, np.float32).reshape(10, 10, 10)
    values[5:] = np.arange(1, 501).reshape(5, 10, 10)
    unit = normalised(values, "other")
    low, high = np.percentile(np.arange(1, 501), (0.5, 99.5))
    assert unit[:5].max() == 0
    assert unit[7, 0, 0] == pytest.approx((201 - low) / (high - low), abs=1e-6)
    assert unit.max() == 1


def test_masks_and_hidden_files_are_no_volumes(tmp_path):
    for name in ("P1/QSM_mask.nii.gz", "P1/.T1.nii.gz", "P1/brain_dseg.nii", ".old/T1.nii.gz"):
        write(tmp_path, name, brain())
    write(tmp_path, "P1/T1.nii.gz", brain())
    write(tmp_path, "P2/NM.nii.gz", brain(1))
    volumes, skipped = read_volumes(tmp_path)
    assert [(volume.name, volume.role) for volume in volumes] == [("P1", "T1"), ("P2", "NM")]
    assert skipped == []


@pytest.mark.parametrize(
    "changes",
    [
        {"values": torch.zeros(3, 3)},
        {"values": torch.zeros(1, 3, 3)},
        {"values": torch.zeros(3, 3, 3, dtype=torch.int16)},
        {"role": "T2"},
        {"labels": torch.zeros(2, 2, 2, dtype=torch.uint8)},
    ],
)
def test_a_volume_that_is_none_cannot_be_made(changes):
    parts = {
        "values": torch.zeros(3, 3, 3),
        "spacing": (1.0, 1.0, 1.0),
        "origin": (0.0, 0.0, 0.0),
        "name": "P1",
        "role": "NM",
        **changes,
    }
    with pytest.raises(ValueError, match=r"values are|role is|labels"):
        Volume(**parts)
