from __future__ import annotations

import torch
from region_helpers import TINY_SERES10, make_regions

from MRNLib.anatomy import ROIS
from MRNLib.models.build import build_system
from MRNLib.models.resampling import resample_labels


def test_channels_are_the_image_and_one_mask_a_nucleus():
    system = build_system(TINY_SERES10)
    regions = make_regions(2)
    stacks = system.prepare(regions)[0].stacks
    channels = {name: len(stack) for name, stack in stacks.items()}
    assert channels == {"NM": 2, "QSM1": 5, "QSM2": 4, "QSM3": 2}
    for roi in ROIS:
        region, masks = regions[roi.name], stacks[roi.name][1:]
        labels = resample_labels(region.labels, region.boxes, region.mirrored, (24, 28), 4)[0]
        for nucleus, mask in enumerate(masks, start=1):
            assert torch.equal(mask, (labels == nucleus).float())
            assert mask.any()


def test_stems_are_their_own_and_the_body_is_shared():
    system = build_system(TINY_SERES10).eval()
    stacks = [one.stacks for one in system.prepare(make_regions(1))]
    before = system(stacks).tokens
    with torch.no_grad():
        system.stems["NM"][0].conv.weight.zero_()
    after = system(stacks).tokens
    assert torch.equal(before[:, 1:], after[:, 1:])
    assert not torch.equal(before[:, 0], after[:, 0])
    names = {name.split(".")[0] for name in system.state_dict()}
    assert names == {"stems", "body", "classification_head", "projector"}


def test_the_masks_are_read():
    system = build_system(TINY_SERES10).eval()
    stacks = system.prepare(make_regions(1))[0].stacks
    bare = {name: torch.cat([one[:1], torch.zeros_like(one[1:])]) for name, one in stacks.items()}
    assert not torch.allclose(system([stacks]).tokens, system([bare]).tokens)
