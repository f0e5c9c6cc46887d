"""Crops: what is cut, kept, split and batched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from cohort_helpers import head
from fold_helpers import write_patients
from training_helpers import cut_again, make_patient

from MRNLib.anatomy import ROIS, roi
from MRNLib.casefiles import Case
from MRNLib.errors import InputError
from MRNLib.experiments.cohorts import open_data
from MRNLib.rois import Box, boxes_from_masks, crop
from MRNLib.splits import folds
from MRNLib.training.content import fingerprint, members
from MRNLib.training.crops import (
    SPARE_SLICES,
    SPARE_VOXELS,
    PatientCrops,
    crops_from_arrays,
    merged_labels,
)
from MRNLib.training.data import load_crops, load_folder, save_crops, stratified_folds
from MRNLib.training.sampling import balanced_batches


def test_crops_hold_the_volume_and_the_boxes(tmp_path):
    qsm, nm, qsm_mask, nm_mask = head()
    spacing = (0.6667, 0.6667, 2.0)
    crops = crops_from_arrays(
        qsm, nm, qsm_mask, nm_mask, spacing, identifier="a", diagnosis="PD", seed=4
    )
    boxes = boxes_from_masks(qsm_mask, nm_mask, spacing)
    assert crops.diagnosis == 1
    for definition in ROIS:
        stored, box = crops.rois[definition.name], boxes[definition.name].box
        inside = stored.image[stored.box.slices].astype(np.float32)
        wanted = crop(qsm if definition.modality == "QSM" else nm, box)
        if definition.modality == "NM":
            assert np.median(stored.image) == pytest.approx(1.0, abs=0.01)
            ratio = inside / wanted
            assert ratio.std() / ratio.mean() < 1e-3
        else:
            assert np.allclose(inside, wanted, atol=0.1)
        mask = qsm_mask if definition.modality == "QSM" else nm_mask
        assert np.array_equal(
            stored.labels[stored.box.slices], merged_labels(crop(mask, box), definition)
        )
        assert stored.box.lower[0] == SPARE_VOXELS
        assert stored.box.lower[2] == SPARE_SLICES


def test_crops_survive_the_disk(tmp_path):
    patient = make_patient(3, 1)
    first = patient.rois["NM"]
    boxed = dataclasses.replace(first, predicted_box=Box((1, 1, 0), (9, 9, 4)))
    patient = dataclasses.replace(patient, rois={**patient.rois, "NM": boxed})
    again = load_crops(save_crops(patient, tmp_path))
    assert (again.identifier, again.diagnosis, again.seed, again.phantom) == (
        "case_003",
        1,
        3,
        True,
    )
    assert again.rois["NM"].predicted_box == boxed.predicted_box
    assert again.rois["QSM1"].predicted_box is None
    for name, one in patient.rois.items():
        assert np.array_equal(again.rois[name].image, one.image)
        assert np.array_equal(again.rois[name].labels, one.labels)
        assert again.rois[name].box == one.box
    assert [path.name for path in tmp_path.iterdir()] == ["case_003.npz"]


def test_a_fingerprint_is_of_what_the_crops_hold(tmp_path):
    patient = make_patient(3, 1)
    assert make_patient(3, 1).fingerprint == patient.fingerprint
    assert load_crops(save_crops(patient, tmp_path)).fingerprint == patient.fingerprint
    others = [
        cut_again(patient),
        dataclasses.replace(patient, diagnosis=0),
        dataclasses.replace(make_patient(4, 1), identifier=patient.identifier, seed=patient.seed),
    ]
    found = {one.fingerprint for one in (patient, *others)}
    assert len(found) == 4
    assert patient.fingerprint == fingerprint([("case_003.npz", members(patient.arrays()))])[:16]


def test_an_experiment_goes_by_the_same_rule(tmp_path):
    write_patients(tmp_path / "train", range(10))
    write_patients(tmp_path / "evaluation", range(10, 20))
    patients = load_folder(tmp_path / "train")
    found = fingerprint((one.file_name, members(one.arrays())) for one in patients)
    assert found == open_data(tmp_path).train.fingerprint


def test_midbrain_is_a_square_of_both_modalities(tmp_path):
    qsm, nm, qsm_mask, nm_mask = head()
    spacing = (1.0, 1.0, 2.0)
    crops = crops_from_arrays(
        qsm, nm, qsm_mask, nm_mask, spacing, identifier="a", diagnosis="PD", seed=4
    )
    where, midbrain = boxes_from_masks(qsm_mask, nm_mask, spacing)["QSM2"].box, crops.midbrain
    assert midbrain.box.size == (50, 50, 9)  # 50 mm and nine slices
    assert midbrain.image.shape[0] == 2
    # The stored square lies around the ROI's centre: the same voxels as in the volume.
    i, j, k = (
        (a + b - n) // 2 for a, b, n in zip(where.lower, where.upper, (50, 50, 9), strict=True)
    )
    inside = midbrain.image[(slice(None), *midbrain.box.slices)].astype(np.float32)
    assert np.allclose(inside[0], qsm[k : k + 9, j : j + 50, i : i + 50], atol=0.1)
    ratio = inside[1] / nm[k : k + 9, j : j + 50, i : i + 50]
    assert ratio.std() / ratio.mean() < 1e-3
    again = load_crops(save_crops(crops, tmp_path))
    assert np.array_equal(again.midbrain.image, midbrain.image)
    assert (again.midbrain.box, again.spacing) == (midbrain.box, spacing)
    qsm_mask[np.isin(qsm_mask, (9, 10, 11, 12, 13, 14))] = 0
    without = crops_from_arrays(qsm, nm, qsm_mask, nm_mask, spacing, identifier="a", diagnosis="PD")
    assert without.midbrain is None
    assert "QSM2" not in without.rois


def test_sides_are_merged_and_other_nuclei_are_background():
    mask = np.array([[[0, 9, 10, 11, 12, 13, 14, 1]]])
    assert merged_labels(mask, roi("QSM2")).tolist() == [[[0, 1, 1, 2, 2, 3, 3, 0]]]


def test_predicted_masks_give_a_second_box():
    qsm, nm, qsm_mask, nm_mask = head()
    shifted = (np.roll(qsm_mask, 2, axis=2), np.roll(nm_mask, 2, axis=2))
    crops = crops_from_arrays(
        qsm,
        nm,
        qsm_mask,
        nm_mask,
        (1.0, 1.0, 2.0),
        identifier="a",
        diagnosis="HC",
        predicted_masks=shifted,
    )
    for stored in crops.rois.values():
        assert stored.predicted_box == stored.box.shift((2, 0, 0))
        assert stored.image.shape[2] >= stored.predicted_box.upper[0]


def test_damaged_and_missing_crops(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a crop file"):
        load_crops(tmp_path / "bad.npz")
    (tmp_path / "cut").mkdir()
    whole = save_crops(make_patient(0, 0), tmp_path / "cut")
    whole.write_bytes(whole.read_bytes()[:1000])  # a copy that was broken off
    with pytest.raises(InputError, match="not a crop file"):
        load_crops(whole)
    with pytest.raises(InputError, match="no crops found"):
        load_folder(tmp_path / "empty")
    (tmp_path / "cohort" / "RJPD_001").mkdir(parents=True)
    (tmp_path / "cohort" / "RJPD_001" / "QSM.nii.gz").touch()
    with pytest.raises(InputError, match=r"prepare_crops.py --data \S+cohort --out CROPS"):
        load_folder(tmp_path / "cohort")
    one_class = tmp_path / "one"
    one_class.mkdir()
    save_crops(make_patient(0, 0), one_class)
    with pytest.raises(InputError, match="same diagnosis"):
        load_folder(one_class)


def cohort(controls: int, patients: int) -> list[PatientCrops]:
    diagnoses = [0] * controls + [1] * patients
    return [PatientCrops(f"case_{n}", label, {}) for n, label in enumerate(diagnoses)]


def test_folds_are_stratified_and_the_librarys():
    people = cohort(23, 17)
    found = stratified_folds(people, 5, seed=1)
    held_out = np.concatenate([one for _, one in found])
    assert sorted(held_out.tolist()) == list(range(40))
    cases = [
        Case(one.identifier, Path(), Path(), diagnosis=("HC", "PD")[one.diagnosis])
        for one in people
    ]
    for (training, held), (_, wanted) in zip(found, folds(cases, 5, 1), strict=True):
        assert not set(training) & set(held)
        assert len(training) + len(held) == 40
        assert abs(sum(people[n].diagnosis for n in held) - 17 / 5) < 1
        assert {people[n].identifier for n in held} == {case.identifier for case in wanted}


def test_too_few_patients_for_the_folds():
    with pytest.raises(InputError, match="2 patients with diagnosis PD for 5 folds"):
        stratified_folds(cohort(9, 2), 5)


@pytest.mark.parametrize(("controls", "patients"), [(10, 10), (13, 6), (3, 20)])
@pytest.mark.parametrize("size", [2, 4, 5])
def test_batches_hold_both_classes_and_everybody(controls, patients, size):
    diagnoses = np.array([0] * controls + [1] * patients)
    batches = balanced_batches(diagnoses, size, seed=1, epoch=0)
    for batch in batches:
        assert len(batch) == size
        assert abs(2 * diagnoses[batch].sum() - size) <= size % 2
    counts = np.bincount(np.concatenate(batches), minlength=len(diagnoses))
    assert counts.min() >= 1
    for label in (0, 1):
        own = counts[diagnoses == label]
        assert own.max() - own.min() <= 1


def test_each_epoch_has_its_own_order():
    diagnoses = np.array([0, 1] * 10)
    first, second, again = (balanced_batches(diagnoses, 4, 1, epoch) for epoch in (0, 1, 0))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again)
