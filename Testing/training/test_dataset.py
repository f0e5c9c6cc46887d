"""Batches of regions: what a system sees in training and in evaluation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from training_helpers import make_patient

from MRNLib.anatomy import ROI_NAMES, roi
from MRNLib.errors import InputError
from MRNLib.models.config import PreprocessConfig
from MRNLib.models.preprocess import blank, prepare_labels, prepare_stacks, preprocess
from MRNLib.models.system import IGNORED_LABEL, MIDBRAIN
from MRNLib.rois import Box
from MRNLib.training.config import AugmentSettings, DataSettings
from MRNLib.training.crops import MidbrainCrop
from MRNLib.training.dataset import CropDataset, jittered
from MRNLib.training.sampling import generator_for

PREPROCESS = PreprocessConfig(roi_size=28)
MIRROR_ALWAYS = AugmentSettings(probability=0.0)
EVERYTHING = AugmentSettings(probability=1.0, rotation_degrees=20)
JITTER = DataSettings(jitter_voxels=3, jitter_slices=1)


def generators(seeds) -> list[torch.Generator]:
    return [generator_for(seed) for seed in seeds]


def plain_dataset(patients, config=PREPROCESS) -> CropDataset:
    return CropDataset(patients, config, ROI_NAMES)


@pytest.mark.parametrize("config", [PREPROCESS, PreprocessConfig(roi_size=56, pad="square")])
def test_plain_stacks_are_what_inference_makes_of_the_crop(patients, config):
    dataset = plain_dataset(patients, config)
    indices = [3, 0, 5]
    for name, region in dataset.plain(indices).items():
        stacks = prepare_stacks(region, config)
        for index, stack in zip(indices, stacks, strict=True):
            stored = patients[index].rois[name]
            crop = torch.from_numpy(stored.image[stored.box.slices].astype(np.float32))
            wanted = preprocess(crop, roi(name).modality, config)
            assert stack.shape == wanted.shape
            assert torch.allclose(stack, wanted, atol=1e-4)


def test_varied_without_variation_is_plain(patients):
    dataset = plain_dataset(patients)
    plain, varied = dataset.plain([2, 1]), dataset.varied([2, 1], generators([0, 1]))
    for name in ROI_NAMES:
        assert torch.allclose(plain[name].images, varied[name].images, atol=1e-6)
        assert torch.equal(plain[name].labels, varied[name].labels)
        assert torch.equal(plain[name].boxes, varied[name].boxes)
        assert torch.equal(plain[name].mirrored, varied[name].mirrored)


def test_a_patients_chance_does_not_depend_on_its_neighbours(patients):
    dataset = CropDataset(patients, PREPROCESS, ROI_NAMES, EVERYTHING, JITTER)
    together = dataset.varied([0, 1, 2, 3], generators([10, 11, 12, 13]))
    alone = dataset.varied([2], generators([12]))
    for name in ROI_NAMES:
        for prepare in (prepare_stacks, prepare_labels):
            first = prepare(together[name], PREPROCESS)[2].float()
            second = prepare(alone[name], PREPROCESS)[0].float()
            assert first.shape == second.shape
            assert torch.allclose(first, second, atol=1e-4)


def test_mirrored_patient_has_mirrored_stacks(patients):
    # Square pixels and no padding, so that flipping commutes with resizing.
    config = PreprocessConfig(roi_size=28, patch_size=1)
    dataset = plain_dataset(patients, config)
    plain, mirrored = dataset.plain([0]), dataset.plain([0], mirrored=True)
    for name in ROI_NAMES:
        (before,), (after,) = (prepare_stacks(one[name], config) for one in (plain, mirrored))
        assert torch.allclose(after, before.flip(-1), atol=1e-5)
        (before,), (after,) = (prepare_labels(one[name], config) for one in (plain, mirrored))
        assert torch.equal(after, before.flip(-1))


def test_half_of_the_patients_are_mirrored_in_all_rois_at_once(patients):
    dataset = CropDataset(patients, PREPROCESS, ROI_NAMES, MIRROR_ALWAYS)
    varied = dataset.varied([0] * 200, generators(range(200)))
    flips = [varied[name].mirrored for name in ROI_NAMES]
    assert all(torch.equal(flips[0], other) for other in flips)
    assert 70 < int(flips[0].sum()) < 130


def test_half_of_the_boxes_are_predicted():
    patient = make_patient(0, 0)
    rois = {
        name: dataclasses.replace(one, predicted_box=Box((0, 0, 0), (8, 8, 2)))
        for name, one in patient.rois.items()
    }
    patient = dataclasses.replace(patient, rois=rois)
    data = DataSettings(jitter_voxels=0, jitter_slices=0, predicted_share=0.5)
    dataset = CropDataset([patient], PREPROCESS, ROI_NAMES, None, data)
    sizes = dataset.varied([0] * 100, generators(range(100)))["NM"].sizes
    assert 30 < sum(size == (2, 8, 8) for size in sizes) < 70


def test_masked_and_absent_rois_are_blank(patients):
    dataset = plain_dataset(patients)
    masked = dataset.plain([0, 1], masked=["QSM2"])
    stacks = prepare_stacks(masked["QSM2"], PREPROCESS)
    slices, rows, columns = masked["QSM2"].sizes[0]
    assert torch.allclose(stacks[0], blank(slices, rows, columns, PREPROCESS))
    assert masked["NM"].images.any()
    patient = make_patient(0, 0)
    rois = {name: one for name, one in patient.rois.items() if name != "QSM3"}
    people = [dataclasses.replace(patient, rois=rois), *patients[1:4]]
    for one in (
        plain_dataset(people).plain([0, 1]),
        CropDataset(people, PREPROCESS, ROI_NAMES, EVERYTHING).varied([0, 1], generators([0, 1])),
    ):
        region = one["QSM3"]
        assert region.present.tolist() == [False, True]
        assert region.sizes[0] == plain_dataset(people).absent_shapes["QSM3"]
        assert torch.allclose(
            prepare_stacks(region, PREPROCESS)[0], blank(*region.sizes[0], PREPROCESS)
        )
        labels = prepare_labels(region, PREPROCESS)
        assert (labels[0] == IGNORED_LABEL).all()
        assert (labels[1] != IGNORED_LABEL).any()


def test_padding_is_ignored_by_the_loss(patients):
    labels = prepare_labels(plain_dataset(patients).plain([0])["NM"], PREPROCESS)[0]
    assert (labels[:, -1] == IGNORED_LABEL).all()
    assert (labels[:, 0] != IGNORED_LABEL).all()


def test_jitter_stays_inside_and_moves():
    boxes = torch.tensor([[[1, 6], [3, 15], [3, 20]]] * 400)
    extents = torch.tensor([[7, 17, 23]] * 400)
    uniform = torch.rand(400, 6, generator=torch.Generator().manual_seed(0))
    moved = jittered(boxes, extents, (1, 4, 4), uniform)
    assert (moved[..., 0] >= 0).all()
    assert (moved[..., 1] <= extents).all()
    assert (moved[..., 0] < moved[..., 1]).all()
    distance = (moved - boxes).abs().amax((0, 2))
    assert distance.tolist() == [1, 4, 4]
    assert len({tuple(one.flatten().tolist()) for one in moved}) > 350
    assert torch.equal(jittered(boxes, extents, (0, 0, 0), uniform), boxes)


def test_every_face_moves_by_every_step_equally_often():
    boxes = torch.tensor([[[9, 20], [9, 20], [9, 20]]] * 7000)
    uniform = torch.rand(7000, 6, generator=torch.Generator().manual_seed(0))
    moved = jittered(boxes, torch.tensor([[40, 40, 40]] * 7000), (3, 3, 3), uniform) - boxes
    for face in moved.flatten(1).T:
        counts = torch.bincount(face + 3, minlength=7)
        assert counts.min() > 850
        assert counts.max() < 1150


def test_midbrain_has_both_modalities_in_window_units():
    random = np.random.default_rng(0)
    image = np.stack(
        [random.uniform(-150, 350, (5, 20, 22)), random.uniform(0.9, 1.1, (5, 20, 22))]
    ).astype(np.float16)
    crop = MidbrainCrop(image, Box((1, 1, 0), (21, 19, 5)))
    patient = dataclasses.replace(make_patient(0, 0), midbrain=crop)
    region = CropDataset([patient], PREPROCESS, [MIDBRAIN]).plain([0])[MIDBRAIN]
    assert region.images.shape == (1, 2, 5, 20, 22)
    assert torch.allclose(
        region.images[0, 0], (torch.from_numpy(image[0]).float() + 150) / 500, atol=1e-3
    )
    inside = image[1][:, 1:19, 1:21].astype(np.float32)
    wanted = (torch.from_numpy(inside / np.median(inside)) - 0.7) / 0.7
    assert torch.allclose(region.images[0, 1, :, 1:19, 1:21], wanted.clamp(0, 1), atol=1e-2)
    with pytest.raises(InputError, match="no midbrain crop"):
        CropDataset([make_patient(0, 0)], PREPROCESS, [MIDBRAIN])


def test_nm_crop_without_tissue_is_refused():
    patient = make_patient(0, 0)
    empty = dataclasses.replace(patient.rois["NM"], image=np.zeros_like(patient.rois["NM"].image))
    broken = dataclasses.replace(patient, rois={**patient.rois, "NM": empty})
    with pytest.raises(InputError, match="case_000"):
        plain_dataset([broken])
