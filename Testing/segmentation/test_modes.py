"""The exact mode against nnU-Net's own command, and the default mode against the exact one."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunetv2.preprocessing.resampling.default_resampling import (
    compute_new_shape,
    resample_data_or_seg_to_shape,
)
from toys import as_image, dice, toy_head

from MRNLib.anatomy import LABEL_COUNT
from MRNLib.bundle import open_bundle
from MRNLib.cases import load_case
from MRNLib.nnunet import volumes
from MRNLib.nnunet.commands import Workspace, run
from MRNLib.nnunet.window import TilePredictor, cover
from MRNLib.parameters import DEFAULT_BUNDLE
from MRNLib.segmentation import Segmenter, import_nnunet_results

# Where the head lies in a larger volume (rows, columns), and the volume's spacing.
HEADS = {
    "centred": ((42, 40), (0.6667, 0.6667, 2.0)),
    "in a corner": ((30, 54), (0.6667, 0.6667, 2.0)),
    "other spacing": ((42, 40), (0.6, 0.72, 1.8)),
    "thick slices": ((42, 40), (0.65, 0.65, 2.2)),
}


def head(name: str) -> sitk.Image:
    centre, spacing = HEADS[name]
    return as_image(toy_head(40, (12, 84, 80), centre)[0], spacing)


def predict_by_command(
    results: Path, folder: Path, images: dict[str, sitk.Image], folds: str = "0"
) -> dict[str, sitk.Image]:
    """What nnUNetv2_predict writes for some images."""
    (folder / "in").mkdir()
    names = [name.replace(" ", "-") for name in images]
    for name, image in zip(names, images.values(), strict=True):
        sitk.WriteImage(image, str(folder / "in" / f"{name}_0000.mha"))
    trainer, plans, configuration = results.name.split("__")
    model = ["-d", "504", "-tr", trainer, "-p", plans, "-c", configuration, "-f", *folds]
    files = ["-i", str(folder / "in"), "-o", str(folder / "out")]
    here = ["-device", "cpu", "--disable_tta", "--disable_progress_bar", "-npp", "0", "-nps", "0"]
    run(Workspace(results.parents[2]), "nnUNetv2_predict", *files, *model, *here)
    results = [sitk.ReadImage(str(folder / "out" / f"{name}.mha")) for name in names]
    return dict(zip(images, results, strict=True))


def test_exact_mode_is_nnunetv2_predict_voxel_for_voxel(trained, tmp_path):
    images = {name: head(name) for name in ("in a corner", "other spacing")}
    theirs = predict_by_command(trained.results, tmp_path, images)
    segmenter = Segmenter.from_bundle(trained.segmenter)
    for name, image in images.items():
        ours = segmenter.segment(image, exact=True)
        expected = sitk.GetArrayFromImage(theirs[name])
        assert np.unique(expected).tolist() == [0, 1, 2]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), expected)
        assert ours.GetPixelID() == sitk.sitkUInt8
        assert ours.GetSpacing() == image.GetSpacing()


def test_an_ensemble_averages_its_folds_as_nnunetv2_predict_does(trained, tmp_path):
    results = tmp_path / trained.results.relative_to(trained.work)
    shutil.copytree(trained.results, results)
    shutil.copytree(results / "fold_0", results / "fold_1")
    _disturb(results / "fold_1" / "checkpoint_final.pth")
    image = head("in a corner")
    names = {"0": "first", "1": "second", "01": "both"}
    theirs = {}
    for folds, name in names.items():
        (tmp_path / name).mkdir()
        theirs[folds] = predict_by_command(results, tmp_path / name, {"head": image}, folds)["head"]
    import_nnunet_results(results, tmp_path / "out", folds=[0, 1], full_precision=True)
    ensemble = Segmenter.from_bundle(tmp_path / "out")
    exact = ensemble.segment(image, exact=True)
    arrays = {folds: sitk.GetArrayFromImage(mask) for folds, mask in theirs.items()}
    np.testing.assert_array_equal(sitk.GetArrayFromImage(exact), arrays["01"])
    assert (arrays["01"] != arrays["0"]).any()
    assert (arrays["01"] != arrays["1"]).any()
    default = ensemble.segment(image)
    assert min(dice(default, exact, label) for label in (1, 2)) >= 0.995


def _disturb(checkpoint: Path) -> None:
    """Other weights, as another fold's training would have given."""
    stored = torch.load(checkpoint, weights_only=False)
    random = torch.Generator().manual_seed(0)
    for name, weights in stored["network_weights"].items():
        noise = torch.randn(weights.shape, generator=random)
        stored["network_weights"][name] = weights + 0.05 * weights.abs().mean() * noise
    torch.save(stored, checkpoint)


@pytest.mark.parametrize("name", HEADS)
def test_default_mode_agrees_with_exact_mode(trained, name):
    segmenter = Segmenter.from_bundle(trained.segmenter)
    image = head(name)
    default, exact = segmenter.segment(image), segmenter.segment(image, exact=True)
    for label in (1, 2):
        assert dice(default, exact, label) >= 0.995
    assert segmenter.warnings == []


def test_the_trained_network_finds_both_nuclei(trained):
    array, labels = toy_head(41)
    found = Segmenter.from_bundle(trained.segmenter).segment(as_image(array))
    truth = as_image(labels)
    assert dice(found, truth, 1) > 0.5
    assert dice(found, truth, 2) > 0.5


def test_a_volume_of_fine_voxels_agrees_too(trained):
    segmenter = Segmenter.from_bundle(trained.segmenter)
    fine = sitk.Expand(head("in a corner"), [2, 2, 3], sitk.sitkLinear)
    default, exact = segmenter.segment(fine), segmenter.segment(fine, exact=True)
    for label in (1, 2):
        assert dice(default, exact, label) >= 0.995


@pytest.mark.parametrize("modality", ["QSM", "NM"])
def test_the_shipped_networks_agree_with_fewer_tiles(modality, phantom_case, monkeypatch):
    images = load_case(dataclasses.replace(phantom_case, qsm_mask=None, nm_mask=None))
    whole = {"QSM": images.qsm, "NM": images.nm}[modality].image
    region = whole[60:240, 60:270, 2:46]  # what holds nuclei, so that exact mode takes seconds
    runs = []
    predict = TilePredictor.predict

    def spy(self, *arguments, **options):
        logits = predict(self, *arguments, **options)
        runs.append(self.tiles_run)
        return logits

    monkeypatch.setattr(TilePredictor, "predict", spy)
    bundle = open_bundle(DEFAULT_BUNDLE)
    segmenter = Segmenter.from_bundle(bundle.segmenter_folder(modality))
    default, exact = segmenter.segment(region), segmenter.segment(region, exact=True)
    labels = np.unique(sitk.GetArrayViewFromImage(exact)).tolist()
    assert labels == list(range(LABEL_COUNT[modality] + 1))
    assert min(dice(default, exact, label) for label in labels[1:]) >= 0.995
    assert runs[0] < runs[1]


@pytest.mark.parametrize(
    ("spacing", "target"), [((1.1, 0.5, 0.4), (2.0, 0.7, 0.7)), ((0.9, 0.3, 0.3), (3.0, 0.5, 0.5))]
)
def test_resampling_in_blocks_is_nnunets_resampling(spacing, target, monkeypatch):
    """Together, and apart along the slices where nnU-Net calls them too thick."""
    monkeypatch.setattr(volumes, "BLOCK", 5)
    data = np.random.default_rng(3).normal(size=(2, 23, 41, 37)).astype(np.float32)
    shape = compute_new_shape(data.shape[1:], spacing, target)
    resample = functools.partial(resample_data_or_seg_to_shape, force_separate_z=None)
    ours = volumes.resampled_in_blocks(resample, data, shape, spacing, target)
    theirs = resample(data, shape, spacing, target)
    assert ours.shape == theirs.shape
    # nnU-Net's resize clips overshoots to the range it is given, here that of a block.
    assert np.mean(np.abs(ours - theirs) > 1e-4) < 1e-3


def test_empty_volume_gives_an_empty_label_map(trained):
    image = as_image(np.zeros((10, 40, 40), np.float32))
    found = Segmenter.from_bundle(trained.segmenter).segment(image)
    assert not sitk.GetArrayViewFromImage(found).any()


def test_half_precision_storage_changes_next_to_nothing(trained):
    image = head("centred")
    folder = trained.segmenter.parent / "out" / "segmenter_nm"
    half = Segmenter.from_bundle(folder).segment(image)
    full = Segmenter.from_bundle(trained.segmenter).segment(image)
    assert min(dice(half, full, label) for label in (1, 2)) >= 0.99


def test_every_other_tile_covers_the_volume():
    starts = [range(0, 33, 8), [0, 15, 31], [0, 16, 32, 48]]
    sizes = (16, 32, 32)
    tiles = [
        (slice(None), *(slice(a, a + n) for a, n in zip(corner, sizes, strict=True)))
        for corner in np.stack(np.meshgrid(*starts), -1).reshape(-1, 3).tolist()
    ]
    first, rest = cover(tiles)
    assert len(first) + len(rest) == len(tiles)
    covered = np.zeros((1, 48, 63, 80), bool)
    for tile in first:
        covered[tile] = True
    assert covered.all()
    assert len(first) < len(tiles) / 2
