"""What probes are given: clips of known patients with outlines, and no patient on two sides."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from probe_helpers import labelled_heads

from MRNLib.anatomy import NUCLEI_BY_MODALITY
from MRNLib.errors import InputError
from MRNLib.navigation.clips import ClipSettings
from MRNLib.navigation.measuring.probeclips import (
    ProbeClips,
    _merged,
    probe_clips,
    refuse_shared_patients,
)

SETTINGS = ClipSettings(length=4, size=28, least_foreground=0.1)


def test_sides_of_a_nucleus_are_merged():
    volume = labelled_heads([0])[0]
    all_labels = torch.arange(17, dtype=torch.uint8).repeat(volume.labels.numel() // 17 + 1)
    labels = all_labels[: volume.labels.numel()].view(volume.labels.shape)
    volume = dataclasses.replace(volume, labels=labels)
    poses = probe_clips([volume], SETTINGS, 1, 0).poses[0]
    middle = volume.tissue.mean(0)
    shown = dataclasses.replace(poses, centre=poses.centre + middle)
    merged = _merged(volume, shown, SETTINGS)
    assert set(merged.unique().tolist()) == set(range(9))
    for number, nucleus in enumerate(NUCLEI_BY_MODALITY["QSM"], start=1):
        assert {(nucleus.right + 1) // 2, (nucleus.left + 1) // 2} == {number}


def test_clips_around_nuclei_show_them_and_are_the_same_again():
    volumes = labelled_heads([0, 1])
    clips = probe_clips(volumes, SETTINGS, 3, 5, nuclei=True)
    assert len(clips) == len(clips.patients) == 12  # two volumes each
    assert clips.frames.shape == clips.labels.shape == (12, 4, 28, 28)
    shown = (clips.labels > 0).flatten(1).any(1)
    assert shown.float().mean() > 0.7
    again = probe_clips(volumes[2:], SETTINGS, 3, 5, nuclei=True)
    # A patient's clips do not depend on who else is there.
    assert torch.equal(again.frames, clips.frames[6:])
    other = probe_clips(volumes, SETTINGS, 3, 6, nuclei=True)
    assert not torch.equal(other.frames, clips.frames)


def test_centres_are_told_from_the_middle_of_the_tissue():
    volume = labelled_heads([0])[0]
    moved = dataclasses.replace(volume, origin=tuple(one + 100 for one in volume.origin))
    here, there = (probe_clips([one], SETTINGS, 2, 0) for one in (volume, moved))
    assert torch.allclose(here.poses.centre, there.poses.centre)
    assert here.poses.centre.abs().max() < 40


def test_there_is_no_action_for_a_probe_to_read():
    assert "actions" not in {one.name for one in dataclasses.fields(ProbeClips)}


def test_volumes_without_labels_are_refused():
    volume = dataclasses.replace(labelled_heads([0])[0], labels=None)
    with pytest.raises(InputError, match="--labels"):
        probe_clips([volume], SETTINGS, 1, 0, nuclei=True)


@pytest.mark.parametrize(
    ("train", "test", "pretrained", "said"),
    [
        ("ab", "bc", "", "b is both to learn probes from and to test them on"),
        ("ab", "cd", "xa", "a is in the pre-training and to learn probes from"),
        ("ab", "cd", "xd", "d is in the pre-training and to test probes on"),
    ],
)
def test_leakage_is_refused(train, test, pretrained, said):
    with pytest.raises(InputError, match=said):
        refuse_shared_patients(train, test, pretrained)
    refuse_shared_patients("ab", "cd", "xy")
