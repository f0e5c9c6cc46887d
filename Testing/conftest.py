"""Parts that several tests need: a digital patient on disk, a small bundle of random weights."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import pytest

from MRNLib.cases import Case

# A shell that starts tests in the background ignores Ctrl-C for them and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ABSENT_SHAPES = {"NM": (8, 32, 53), "QSM1": (17, 97, 107), "QSM2": (9, 39, 58), "QSM3": (8, 43, 69)}


@pytest.fixture(scope="session")
def phantom_case(tmp_path_factory) -> Case:
    """One digital patient with PD in the challenge's layout, both masks beside it."""
    from MRNLib.casefiles import read_cohort
    from MRNLib.phantom import DEMO_SEEDS, write_cohort

    folder = tmp_path_factory.mktemp("phantoms")
    write_cohort(folder, 1, DEMO_SEEDS[100], diagnosis="PD")
    return read_cohort(folder)[0]


@pytest.fixture(scope="session")
def tiny_model_config():
    """An MRN small enough to run in a moment."""
    from MRNLib.models.config import SMALL

    backbone = dataclasses.replace(SMALL.backbone, embed_dim=24, depth=1, num_heads=3)
    return dataclasses.replace(
        SMALL, backbone=backbone, ffa_blocks=1, sfa_blocks=1, head_hidden=16, dpt=None
    )


@pytest.fixture(scope="session")
def random_bundle(tmp_path_factory, tiny_model_config) -> Path:
    """A bundle of two folds with random weights and no segmenters; trained on nothing."""
    import torch

    from MRNLib.bundle_export import BundleParts, write_bundle
    from MRNLib.models.mrn import build, inference_state

    torch.manual_seed(0)
    folds = {n: inference_state(build(tiny_model_config).state_dict()) for n in (0, 1)}
    parts = BundleParts(
        name="random",
        version="0",
        trained_on="phantom",
        summary="Random weights, for tests.",
        model=tiny_model_config,
        folds=folds,
        segmenters={},
        margin_mm=5.0,
        margin_slices=1,
        absent_roi_shapes=ABSENT_SHAPES,
    )
    destination = tmp_path_factory.mktemp("bundles") / "random"
    write_bundle(parts, destination, card="A card.")
    return destination


@pytest.fixture(scope="session")
def plain(phantom_case, random_bundle):
    """The diagnosis of the phantom as it is, without jitter."""
    from MRNLib.diagnosis import Diagnoser
    from MRNLib.parameters import Parameters

    return Diagnoser(Parameters(bundle=str(random_bundle), jitter=False)).diagnose(phantom_case)
