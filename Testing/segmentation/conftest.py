"""A tiny nnU-Net, trained for a moment on toy heads by the project's own script."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TRAINING = HERE.parents[1] / "Training"
sys.path.insert(0, str(HERE))

import toys  # noqa: E402 - lies beside this file


@dataclass(frozen=True)
class Trained:
    """What the tests share: nnU-Net's results, and the segmenter in fp32."""

    work: Path
    results: Path
    segmenter: Path


def _train(folder: Path) -> None:
    import train_segmentation

    from MRNLib.nnunet import plans
    from MRNLib.segmentation import import_nnunet_results

    toys.write_cohort(folder / "cohort", 5)
    schedule = plans.Schedule(epochs=1, iterations=300, validation_iterations=1, foreground=0.8)
    small = plans.TinyPlan((8, 32, 32), (6, 8, 8, 8), (1, 1, 1, 1), schedule)
    before = dict(plans.TINY)
    plans.TINY["NM"] = small
    common = ["--work", str(folder / "work"), "--modality", "NM", "--scale", "tiny"]
    one = ["--processes", "1"]
    try:
        prepare = ["prepare", "--data", str(folder / "cohort"), "--validation", "1"]
        assert train_segmentation.main([*prepare, *one, *common]) == 0
        assert train_segmentation.main(["train", "--device", "cpu", *one, *common]) == 0
    finally:
        plans.TINY.update(before)
    out = str(folder / "out")
    assert train_segmentation.main(["import", "--out", out, *common]) == 0
    import_nnunet_results(_results(folder), folder / "fp32", full_precision=True)


def _results(folder: Path) -> Path:
    return next((folder / "work" / "results").glob("Dataset504*/*"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The tiny nnU-Net; with pytest-xdist one worker trains it and the others wait."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    folder = base / "tiny-nnunet"
    done = base / "tiny-nnunet.done"
    try:
        folder.mkdir()
    except FileExistsError:
        for _ in range(1800):
            if done.exists():
                break
            time.sleep(0.5)
        assert done.exists(), "the worker that trains the tiny nnU-Net did not finish"
        assert done.read_text(encoding="utf-8") == "trained", (
            "training the tiny nnU-Net failed in another worker"
        )
    else:
        sys.path.insert(0, str(TRAINING))
        outcome = "failed"
        try:
            _train(folder)
            outcome = "trained"
        finally:
            sys.path.remove(str(TRAINING))
            done.write_text(outcome)
    return Trained(folder / "work", _results(folder), folder / "fp32")


@pytest.fixture
def damaged(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the segmenter to spoil."""
    return Path(shutil.copytree(trained.segmenter, tmp_path / "segmenter"))
