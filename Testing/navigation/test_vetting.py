"""Volumes without enough tissue are left out with a line before the training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from pretraining_helpers import patients, tiny_config

from MRNLib.errors import InputError
from MRNLib.navigation.clips import make_clips
from MRNLib.navigation.config import load_config
from MRNLib.navigation.trajectories import KINDS
from MRNLib.navigation.vetting import navigable, of_one_kind
from MRNLib.navigation.volumesources import phantom_volumes

CONFIGS = Path(__file__).parents[2] / "Training" / "configs" / "navigation"
CLIPS = tiny_config().clips


def test_a_volume_with_little_tissue_is_left_out_with_a_line():
    volumes = patients(3)
    speck, middle = torch.zeros_like(volumes[1].values), slice(20, 25)
    speck[middle, middle, middle] = 0.5
    volumes[1] = dataclasses.replace(volumes[1], values=speck)
    settings = CLIPS.model_copy(update={"least_foreground": 0.3})
    kept, left_out = navigable(volumes, settings)
    assert [one.name for one in kept] == ["patient_0", "patient_2", "patient_0"]
    assert len(left_out) == 1
    assert left_out[0].startswith("patient_1 (NM): none of 20 paths")
    assert left_out[0].endswith("(20 of clips.tries 100 are looked at before a training)")
    with pytest.raises(InputError, match="none of 1 volumes can be used, the first: patient_1"):
        navigable(volumes[1:2], settings)


def test_good_volumes_are_all_kept():
    volumes = patients()
    assert navigable(volumes, CLIPS) == (volumes, [])


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_one_kind(kind):
    clips = make_clips(patients(1), of_one_kind(CLIPS, kind, length=3), range(4))
    assert set(clips.kinds) == {kind}
    assert clips.frames.shape[1] == 3


def test_the_paper_sized_clips_fit_a_head_and_a_slab_of_one():
    """224 mm are more than a head: what is asked for has to be there."""
    qsm, nm = phantom_volumes([3])
    slab = dataclasses.replace(nm, values=nm.values[23:47].contiguous(), name="slab")
    assert slab.spacing[2] == 2.0
    paper = load_config(CONFIGS / "paper.yaml").clips
    assert navigable([qsm, nm, slab], paper) == ([qsm, nm, slab], [])
