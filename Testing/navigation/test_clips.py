"""Clips are functions of their seeds, show tissue, and carry the actions of their poses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from navigation_toys import head, middle_of
from pydantic import ValidationError

from MRNLib.errors import InputError
from MRNLib.models.config import IntensityConfig
from MRNLib.models.preprocess import to_unit_range
from MRNLib.navigation.clips import ClipSettings, _neighbours, make_clips, static_clips
from MRNLib.navigation.poses import AXIAL, actions_between, moved
from MRNLib.navigation.rendering import foreground, render
from MRNLib.navigation.trajectories import KINDS, trajectory
from MRNLib.navigation.volumesources import phantom_volumes
from MRNLib.training.sampling import generator_for

SETTINGS = ClipSettings(length=4, size=14, pixel_mm=1.5)


@pytest.fixture(scope="module")
def heads():
    return [head(0), head(1, "QSM", "head_0"), head(2)]


@pytest.mark.parametrize("maker", [make_clips, static_clips])
def test_a_clip_is_a_function_of_its_seed_alone(heads, maker):
    seeds = [5, 7, 11, 200_000_000_000]
    clips = maker(heads, SETTINGS, seeds)
    other = maker(heads, SETTINGS, [3, *seeds[::-1]])
    for here, there in enumerate((4, 3, 2, 1)):
        assert torch.equal(clips.frames[here], other.frames[there])
        assert torch.equal(clips.actions[here], other.actions[there])
        assert torch.equal(clips.poses.rotation[here], other.poses.rotation[there])
        assert clips.volumes[here] == other.volumes[there]
        assert clips.kinds[here] == other.kinds[there]
    different = {tuple(frames.flatten().tolist()) for frames in other.frames}
    assert len(different) == 5


def test_clips_are_what_their_poses_show(heads):
    clips = make_clips(heads, SETTINGS, range(20))
    assert len(clips) == 20
    assert clips.frames.shape == (20, 4, 14, 14)
    assert clips.actions.shape == (20, 3, 7)
    assert clips.frames.dtype == clips.actions.dtype == torch.float32
    assert clips.frames.min() >= 0
    assert clips.frames.max() <= 1
    assert set(clips.kinds) == set(KINDS)
    assert set(clips.volumes.tolist()) == {0, 1, 2}
    for n in (0, 9):
        volume = heads[clips.volumes[n]]
        again = render(volume, clips.poses[n], 14, 1.5)
        if volume.role == "NM":
            again = ((again / volume.reference - 0.7) / (1.4 - 0.7)).clamp(0, 1)
        torch.testing.assert_close(clips.frames[n], again, rtol=0, atol=1e-5)
    actions = actions_between(clips.poses[:, :-1], clips.poses[:, 1:])
    torch.testing.assert_close(clips.actions, actions.float())
    arrived = moved(clips.poses[:, :-1], clips.actions)
    torch.testing.assert_close(arrived.centre, clips.poses.centre[:, 1:], rtol=0, atol=1e-4)


def test_shares_decide_the_kinds(heads):
    none = dict.fromkeys(KINDS, 0.0)
    only = ClipSettings(length=4, size=14, pixel_mm=1.5, kinds={**none, "zoom": 2})
    assert set(make_clips(heads, only, range(6)).kinds) == {"zoom"}
    with pytest.raises(ValidationError, match="share above 0"):
        ClipSettings(kinds=none)
    with pytest.raises(ValidationError):
        ClipSettings(kinds={"scrol": 1})


@pytest.mark.parametrize("maker", [make_clips, static_clips])
def test_nm_has_the_grey_values_of_an_mrns_images(maker):
    """Those of the same place in the crop that MRN would be given, up to its own reference."""
    volume = next(phantom_volumes([3], ["NM"], labels=True))
    settings = SETTINGS.model_copy(update={"nm_window": (0.86, 1.26)})
    frames = maker([volume], settings, range(8)).frames
    around = [slice(max(0, a - 2), b + 3) for a, b in _ends(volume.labels.nonzero())]
    crop = volume.values[tuple(around)].float()
    preprocessed = to_unit_range(crop, "NM", IntensityConfig(nm_window=(0.86, 1.26)))
    ours = ((crop / volume.reference - 0.86) / 0.4).clamp(0, 1)
    assert (ours - preprocessed).abs().mean() < 0.08
    # Neither all dark nor all bright: brain tissue is near the middle of the window.
    assert 0.2 < frames[frames > 0].mean() < 0.6
    assert frames.max() <= 1
    plain = replace(volume, role="other")
    unlike = maker([plain], settings, range(8)).frames
    expected = ((unlike / volume.reference - 0.86) / 0.4).clamp(0, 1)
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-5)


def _ends(places):
    return zip(places.amin(0).tolist(), places.amax(0).tolist(), strict=True)


def test_a_window_that_falls_is_refused():
    with pytest.raises(ValidationError, match="nm_window must rise"):
        ClipSettings(nm_window=(1.26, 0.86))


@pytest.mark.parametrize("maker", [make_clips, static_clips])
def test_mostly_background_is_drawn_again(heads, maker):
    wanted = SETTINGS.model_copy(update={"least_foreground": 0.9})
    anything = SETTINGS.model_copy(update={"least_foreground": 0.0})
    assert _shown(heads, maker(heads, wanted, range(20))).min() >= 0.9
    assert _shown(heads, maker(heads, anything, range(20))).min() < 0.9


def _shown(heads, clips):
    """Share of tissue in each slice, before it is windowed."""
    return torch.stack(
        [
            foreground(render(heads[volume], clips.poses[n], 14, 1.5))
            for n, volume in enumerate(clips.volumes)
        ]
    )


def test_a_volume_without_tissue_is_named(heads):
    empty = replace(heads[0], values=torch.zeros_like(heads[0].values), name="nobody")
    few = SETTINGS.model_copy(update={"tries": 3})
    with pytest.raises(InputError, match=r"nobody \(NM\): none of 3 paths.*any of 19 volumes"):
        make_clips([empty], few, [0])
    with pytest.raises(InputError, match=r"nobody \(NM\): none of 3 paths.*of each slice\n"):
        make_clips([empty], few, [0], draws=1)


def first_draws(volumes, settings, seed, static):
    """Volume, kind and path of a clip whose first volume gives it: what trainings were run with."""
    generator = generator_for(seed)
    index = int(torch.randint(len(volumes), (), generator=generator))
    kind = (
        "static" if static else KINDS[int(torch.multinomial(torch.ones(5), 1, generator=generator))]
    )
    while True:
        volume = volumes[index]
        if static:
            poses = _neighbours(volume, settings, generator)
        else:
            poses = trajectory(kind, settings.length, generator, volume.tissue, settings.motion)
        if foreground(render(volume, poses, 4, 6.0)).min() >= settings.least_foreground:
            return index, kind, poses


@pytest.mark.parametrize("maker", [make_clips, static_clips])
def test_a_volume_that_gives_no_clip_is_replaced_and_changes_no_other_clip(heads, maker):
    settings = SETTINGS.model_copy(update={"least_foreground": 0.5, "tries": 20})
    seeds, static = range(40), maker is static_clips
    good = maker(heads, settings, seeds)
    empty = replace(heads[1], values=torch.zeros_like(heads[1].values), name="nobody")
    mixed = maker([heads[0], empty, heads[2]], settings, seeds)
    replaced = 0
    for place, seed in enumerate(seeds):
        index, kind, poses = first_draws(heads, settings, seed, static)
        assert (good.volumes[place], good.kinds[place]) == (index, kind)
        assert torch.equal(good.poses.centre[place], poses.centre)
        assert torch.equal(good.poses.rotation[place], poses.rotation)
        assert torch.equal(good.poses.log_scale[place], poses.log_scale)
        assert mixed.kinds[place] == kind
        if index == 1:
            replaced += 1
            assert mixed.volumes[place] != 1
        else:
            assert torch.equal(mixed.frames[place], good.frames[place])
            assert torch.equal(mixed.actions[place], good.actions[place])
    assert 5 < replaced < 25
    shown = maker([heads[0], empty, heads[2]], settings, seeds)
    assert torch.equal(shown.frames, mixed.frames)


def test_static_clips_are_the_volumes_own_slices_at_the_scales_of_paths(heads):
    volume, count = heads[0], 40
    clips = static_clips([volume], SETTINGS, range(count))
    assert set(clips.kinds) == {"static"}
    assert (clips.poses.rotation == AXIAL).all()
    step = torch.tensor([0, 0, volume.spacing[2], 0, 0, 0, 0])
    torch.testing.assert_close(clips.actions, step.expand(count, 3, 7), rtol=0, atol=1e-5)
    # Each is a slice that is stored, at one scale a clip.
    slices = (clips.poses.centre[..., 2] - volume.origin[2]) / volume.spacing[2]
    torch.testing.assert_close(slices, slices.round(), rtol=0, atol=1e-5)
    scales, most = clips.poses.log_scale, SETTINGS.motion.log_scale
    assert (scales == scales[:, :1]).all()
    assert scales.abs().max() <= most
    assert scales[:, 0].std() == pytest.approx(most / 3**0.5, rel=0.3)


def test_a_thin_volume_is_scrolled_forth_and_back(heads):
    thin = replace(heads[0], values=heads[0].values[18:21].contiguous())
    clips = static_clips([thin], SETTINGS.model_copy(update={"length": 6}), [4])
    steps = clips.actions[0, :, 2]
    torch.testing.assert_close(steps.abs(), torch.full((5,), 1.8), rtol=0, atol=1e-5)
    assert steps.sign().tolist() == [1, 1, -1, -1, 1]


def test_the_tissues_box_is_found(heads):
    low, high = heads[0].tissue
    middle = middle_of(heads[0])
    # A ball of 25 mm; a hundredth of it at each side is left out.
    assert ((middle - low) > 18).all()
    assert ((middle - low) < 25).all()
    assert ((high - middle) > 15).all()
    assert ((high - middle) < 25).all()
