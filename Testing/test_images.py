from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs.grids import turned
from bad_inputs.patient import sound

from MRNLib import geometry, repair, values
from MRNLib.errors import InputError
from MRNLib.images import PHANTOM_MARK, SourceInfo, canonical_grid, read_volume, restore
from MRNLib.masks import read_mask

ORIENTATIONS = ["LPS", "RAS", "LAS", "PIR", "SLA", "ARI", "IPR"]


def save(image, path):
    sitk.WriteImage(image, str(path))
    return path


def canonical_array(name):
    return getattr(sound(), name)[:, ::-1]


@pytest.mark.parametrize("code", ORIENTATIONS)
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_any_flip_and_permutation_comes_out_canonical_and_goes_back(code, ending, tmp_path):
    if ending != ".nii.gz" and code not in ("RAS", "SLA"):
        ending = ".nii"
    patient = sound()
    qsm = sitk.DICOMOrient(patient.image("qsm"), code)
    labels = sitk.DICOMOrient(patient.image("qsm_mask"), code)
    volume = read_volume(save(qsm, tmp_path / f"q{ending}"), "QSM")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), canonical_array("qsm"))
    np.testing.assert_allclose(volume.image.GetDirection(), np.eye(3).ravel(), atol=1e-6)
    mask, warnings = read_mask(save(labels, tmp_path / f"m{ending}"), "QSM", volume)
    assert warnings == ()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), canonical_array("qsm_mask"))

    back = restore(mask, volume)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(labels))
    assert geometry.same_grid(back, labels)
    assert back.GetPixelID() == sitk.sitkUInt8


@pytest.mark.parametrize("degrees", [-4.5, 3.0])
def test_a_slightly_oblique_volume_keeps_its_voxels(degrees, tmp_path):
    patient = sound().but(direction=turned(degrees), origin=(-40.0, 55.5, 12.25))
    paths = patient.write(tmp_path)
    volume = read_volume(paths["qsm"], "QSM")
    assert volume.warnings == ()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), canonical_array("qsm"))
    mask, _ = read_mask(paths["qsm_mask"], "QSM", volume)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(restore(mask, volume)), patient.qsm_mask)


@pytest.mark.parametrize("degrees", [0.0, 3.0, 12.0])
@pytest.mark.parametrize("code", ["RAS", "PIR"])
def test_the_canonical_grid_is_known_without_reading_values(code, degrees, tmp_path):
    image = sitk.DICOMOrient(sound().but(direction=turned(degrees)).image("qsm"), code)
    path = save(image, tmp_path / "q.nrrd")
    seen = canonical_grid(sitk.ReadImage(str(path)), "q.nrrd")
    assert seen == geometry.Grid.of(read_volume(path, "QSM").image)


def test_a_mask_follows_its_oblique_image_however_its_axes_run(tmp_path):
    patient = sound().but(direction=turned(12.0))
    volume = read_volume(patient.write(tmp_path)["qsm"], "QSM")
    labels = sitk.DICOMOrient(patient.image("qsm_mask"), "PIR")
    mask, warnings = read_mask(save(labels, tmp_path / "m.nrrd"), "QSM", volume)
    assert warnings == ()  # its resampling is already among the image's warnings
    same, _ = read_mask(tmp_path / "QSM_mask.nii.gz", "QSM", volume)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(same))


def test_an_oblique_volume_is_resampled_and_its_labels_come_back(tmp_path):
    patient = sound().but(direction=turned(12.0))
    paths = patient.write(tmp_path)
    volume = read_volume(paths["qsm"], "QSM")
    assert len(volume.warnings) == 1
    np.testing.assert_allclose(volume.image.GetDirection(), np.eye(3).ravel(), atol=1e-9)
    mask, warnings = read_mask(paths["qsm_mask"], "QSM", volume)
    assert warnings == ()  # the mask follows its image
    back = sitk.GetArrayFromImage(restore(mask, volume))
    assert back.shape == patient.qsm_mask.shape
    for label in (1, 7, 8, 15):
        a, b = back == label, patient.qsm_mask == label
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.85


def test_sides_are_decided_in_space_not_by_array_order(tmp_path):
    """The same array with i running to the right: odd labels lie on the left then."""
    patient = sound().but(direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    paths = patient.write(tmp_path)
    volume = read_volume(paths["qsm"], "QSM")
    with pytest.raises(InputError, match="patient's left"):
        read_mask(paths["qsm_mask"], "QSM", volume)
    mask, warnings = read_mask(paths["qsm_mask"], "QSM", volume, swap_sides=True)
    assert "exchanged on request" in warnings[0]
    columns = np.nonzero(sitk.GetArrayFromImage(mask) == 1)[2]
    assert columns.mean() < patient.qsm.shape[2] / 2


def test_asking_to_swap_a_right_mask_changes_nothing(tmp_path):
    paths = sound().write(tmp_path)
    volume = read_volume(paths["qsm"], "QSM")
    mask, warnings = read_mask(paths["nm_mask"], "NM", volume, swap_sides=True, split_merged=True)
    assert warnings == ()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), canonical_array("nm_mask"))


@pytest.mark.parametrize(
    "merge", [lambda m: (m + 1) // 2, lambda m: np.where(m, (m - 1) // 2 * 2 + 1, 0)]
)
def test_merged_labels_are_split_into_the_original_ones(merge, tmp_path):
    patient = sound()
    merged = patient.but(qsm_mask=merge(patient.qsm_mask).astype(np.uint8))
    paths = merged.write(tmp_path)
    volume = read_volume(paths["qsm"], "QSM")
    mask, _ = read_mask(paths["qsm_mask"], "QSM", volume, split_merged=True)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), canonical_array("qsm_mask"))


def test_ppm_becomes_ppb(tmp_path):
    patient = sound()
    path = patient.but(qsm=patient.qsm / 1000).write(tmp_path)["qsm"]
    volume = read_volume(path, "QSM")
    assert volume.source.scale == 1000
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(volume.image), canonical_array("qsm"), rtol=1e-5
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_voxels_that_are_no_numbers_get_the_median_around(bad, ending, tmp_path):
    patient = sound()
    patient.qsm[14, 40, 30] = bad
    volume = read_volume(save(patient.image("qsm"), tmp_path / f"q{ending}"), "QSM")
    around = patient.qsm[13:16, 39:42, 29:32].ravel()
    expected = np.median(around[np.isfinite(around)])
    array = sitk.GetArrayFromImage(volume.image)[:, ::-1]
    assert array[14, 40, 30] == pytest.approx(expected)
    marks = np.argwhere(sitk.GetArrayFromImage(volume.not_finite)[:, ::-1])
    assert marks.tolist() == [[14, 40, 30]]
    assert "1 voxels are not numbers" in volume.warnings[0]


def test_nan_around_the_brain_becomes_zero(tmp_path):
    patient = sound()
    outside = patient.qsm == 0
    patient.qsm[outside] = np.nan
    volume = read_volume(save(patient.image("qsm"), tmp_path / "q.nii.gz"), "QSM")
    array = sitk.GetArrayFromImage(volume.image)[:, ::-1]
    assert np.isfinite(array).all()
    assert np.mean(array[outside] == 0) > 0.8


def test_a_huge_volume_is_cropped_then_made_coarser_and_labels_go_back(tmp_path, monkeypatch):
    paths = sound().write(tmp_path)
    monkeypatch.setattr(repair, "MAXIMUM_VOXELS", 60_000)
    monkeypatch.setattr(repair, "COARSE_MM", 2.0)
    monkeypatch.setattr(repair, "FIELD_MM", (80.0, 90.0, 70.0))
    volume = read_volume(paths["qsm"], "QSM")
    assert volume.image.GetNumberOfPixels() < 60_000
    assert ["cropped" in volume.warnings[0], "resampled" in volume.warnings[1]] == [True, True]
    mask, _ = read_mask(paths["qsm_mask"], "QSM", volume)
    back = restore(mask, volume)
    assert back.GetSize() == volume.source.size
    assert set(np.unique(sitk.GetArrayFromImage(back))) >= set(range(1, 15))


def test_a_huge_volume_is_mended_before_it_is_made_coarser(tmp_path, monkeypatch):
    """Smoothing would spread a single NaN over all its neighbours."""
    image = sound().image("qsm")
    image[30, 40, 12] = float("nan")
    path = save(image, tmp_path / "qsm.nii.gz")
    monkeypatch.setattr(repair, "MAXIMUM_VOXELS", 60_000)
    monkeypatch.setattr(repair, "COARSE_MM", 2.0)
    volume = read_volume(path, "QSM")
    assert any("1 voxels are not numbers" in note for note in volume.warnings)
    assert any("resampled" in note for note in volume.warnings)
    assert geometry.same_grid(volume.not_finite, volume.image)
    assert np.count_nonzero(sitk.GetArrayViewFromImage(volume.not_finite)) <= 1


def test_the_source_turns_into_json_and_back(tmp_path):
    source = read_volume(sound().write(tmp_path)["qsm"], "QSM").source
    data = json.loads(json.dumps(dataclasses.asdict(source)))
    again = SourceInfo(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
    assert again == source
    assert source.pixel_type == "32-bit float"
    assert source.direction == pytest.approx(sound().direction)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_a_phantom_is_known_by_its_header(ending, tmp_path):
    image = sound().image("nm")
    assert not read_volume(save(image, tmp_path / f"human{ending}"), "NM").phantom
    # ITK writes its file notes into NIfTI's ``descrip``.
    image.SetMetaData("ITK_FileNotes" if "nii" in ending else "MRN_PHANTOM", f"{PHANTOM_MARK} 1")
    assert read_volume(save(image, tmp_path / f"phantom{ending}"), "NM").phantom
    image[3, 3, 3] = float("nan")  # repaired files keep their mark
    assert read_volume(save(image, tmp_path / f"nan{ending}"), "NM").phantom


def test_grids_that_agree_to_rounding_are_one_grid():
    image = sound().image("qsm")
    other = sitk.Image(image)
    other.SetOrigin((0.01, 0.0, 0.0))
    assert geometry.same_grid(image, other)
    other.SetOrigin((0.2, 0.0, 0.0))
    assert not geometry.same_grid(image, other)
    assert geometry.overlap(image, other) == pytest.approx(1 - 0.2 / (68 * 1.4))


def test_phase_like_and_brain_like_values_are_told_apart():
    rng = np.random.default_rng(0)
    brain = np.concatenate([rng.normal(0, 30, 50_000), rng.uniform(100, 2000, 500)])
    values.check_not_phase(values.summarise(brain), "a")
    values.check_not_phase(values.summarise(rng.normal(0, 30, 50_000)), "a")
    for limit in (np.pi, 4096):
        with pytest.raises(InputError, match="phase"):
            values.check_not_phase(values.summarise(rng.uniform(-limit, limit, 50_000)), "a")


def test_the_summary_leaves_zeros_and_nan_out():
    array = np.zeros((4, 5, 6), np.float32)
    array[0, 0, :4] = (-2, 1, np.nan, np.inf)
    summary = values.summarise(array)
    assert (summary.count, summary.negative) == (2, 0.5)
    assert values.summarise(np.zeros(9)).count == 0
