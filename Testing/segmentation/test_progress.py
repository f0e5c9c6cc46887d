"""Progress, cancelling, wrong inputs, and that nothing is said or changed on the side."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import SimpleITK as sitk
import torch
from toys import as_image, toy_head

from MRNLib.errors import Cancelled, InputError
from MRNLib.segmentation import Segmenter


@pytest.fixture(scope="module")
def segmenter(trained) -> Segmenter:
    return Segmenter.from_bundle(trained.segmenter)


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    return as_image(toy_head(50, (12, 70, 70))[0])


@pytest.mark.parametrize("exact", [True, False])
def test_progress_never_goes_back_and_ends_at_one(segmenter, image, exact):
    seen: list[float] = []
    segmenter.segment(image, exact=exact, progress=lambda share, _: seen.append(share))
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert len(seen) > 10


@pytest.mark.parametrize("exact", [True, False])
def test_cancelling_stops_at_once_and_leaves_nothing(segmenter, image, exact):
    def cancel(share: float, message: str) -> None:
        if share > 0.3:
            raise Cancelled

    threads, cores = threading.active_count(), torch.get_num_threads()
    with pytest.raises(Cancelled):
        segmenter.segment(image, exact=exact, progress=cancel)
    assert threading.active_count() == threads
    assert torch.get_num_threads() == cores
    assert not torch.is_inference_mode_enabled()
    again = segmenter.segment(image, exact=exact)
    assert sitk.GetArrayViewFromImage(again).max() == 2


def test_wrong_number_of_channels_is_refused(segmenter, image):
    with pytest.raises(InputError, match="2 images given to a network with 1 channels"):
        segmenter.segment([image, image])


def test_image_that_is_not_canonical_is_refused(segmenter, image):
    with pytest.raises(InputError, match="LPS"):
        segmenter.segment(sitk.DICOMOrient(image, "LAS"))


def test_gpu_without_memory_is_replaced_by_the_cpu(segmenter, image, monkeypatch):
    labels = segmenter._labels

    def full(images, device, exact, progress):
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return labels(images, device, exact, progress)

    monkeypatch.setattr(segmenter, "_labels", full)
    found = segmenter.segment(image, device="cuda")
    assert sitk.GetArrayViewFromImage(found).max() == 2
    assert "CPU" in segmenter.warnings[0]


def test_nothing_is_printed_and_no_process_started(trained, segmenter, image, capfd, monkeypatch):
    def no_process(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    monkeypatch.setattr(os, "fork", no_process)
    Segmenter.from_bundle(trained.segmenter).segment(image)
    assert capfd.readouterr() == ("", "")


def test_import_is_light_and_leaves_the_environment_alone():
    code = (
        "import os, sys; before = dict(os.environ); import MRNLib.segmentation; "
        "heavy = {'torch', 'nnunetv2'} & sys.modules.keys(); "
        "import MRNLib.nnunet.window; "
        "changed = {k for k in os.environ if k.startswith('nnUNet') and k not in before}; "
        "assert not heavy, heavy; assert not changed, changed"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nnUNet" not in done.stdout + done.stderr
