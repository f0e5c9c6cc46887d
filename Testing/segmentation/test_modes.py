"""The exact mode against nnU-Net's own command, and the default mode against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from toys import as_image, dice, toy_head

from MRNLib import segmentation
from MRNLib.nnunet import coarse
from MRNLib.nnunet.commands import Workspace, run
from MRNLib.nnunet.window import cover
from MRNLib.segmentation import Segmenter

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


def predict_by_command(trained, folder, images: dict[str, sitk.Image]) -> dict[str, sitk.Image]:
    """What nnUNetv2_predict writes for some images."""
    (folder / "in").mkdir()
    names = [name.replace(" ", "-") for name in images]
    for name, image in zip(names, images.values(), strict=True):
        sitk.WriteImage(image, str(folder / "in" / f"{name}_0000.mha"))
    trainer, plans, configuration = trained.results.name.split("__")
    model = ["-d", "504", "-tr", trainer, "-p", plans, "-c", configuration, "-f", "0"]
    files = ["-i", str(folder / "in"), "-o", str(folder / "out")]
    here = ["-device", "cpu", "--disable_tta", "--disable_progress_bar", "-npp", "0", "-nps", "0"]
    run(Workspace(trained.work), "nnUNetv2_predict", *files, *model, *here)
    results = [sitk.ReadImage(str(folder / "out" / f"{name}.mha")) for name in names]
    return dict(zip(images, results, strict=True))


def test_exact_mode_is_nnunetv2_predict_voxel_for_voxel(trained, tmp_path):
    images = {name: head(name) for name in ("in a corner", "other spacing")}
    theirs = predict_by_command(trained, tmp_path, images)
    segmenter = Segmenter.from_bundle(trained.segmenter)
    for name, image in images.items():
        ours = segmenter.segment(image, exact=True)
        expected = sitk.GetArrayFromImage(theirs[name])
        assert np.unique(expected).tolist() == [0, 1, 2]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), expected)
        assert ours.GetPixelID() == sitk.sitkUInt8
        assert ours.GetSpacing() == image.GetSpacing()


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


def test_large_volume_is_cropped_before_it_is_resampled(trained, monkeypatch):
    segmenter = Segmenter.from_bundle(trained.segmenter)
    fine = sitk.Expand(head("in a corner"), [2, 2, 3], sitk.sitkLinear)
    whole = segmenter.segment(fine)
    seen = []
    predict = segmenter._predict

    def spy(images, *arguments):
        seen.append(images[0].GetNumberOfPixels())
        return predict(images, *arguments)

    monkeypatch.setattr(segmentation, "LARGE_VOLUME", 100_000)
    monkeypatch.setattr(coarse, "CONTEXT_MM", 4.0)
    monkeypatch.setattr(segmenter, "_predict", spy)
    cropped = segmenter.segment(fine)
    first, second = (voxels / fine.GetNumberOfPixels() for voxels in seen)
    assert first < 0.1
    assert second < 0.95
    # Less context than in earnest, so that this small volume is cropped at all: not quite the same.
    for label in (1, 2):
        assert dice(cropped, whole, label) >= 0.95


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
