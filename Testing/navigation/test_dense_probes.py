"""Probes that outline, and what their outlines are measured with."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from MRNLib.navigation.measuring.denseprobes import (
    PROBES,
    LinearProbe,
    dice_of_patients,
    outline_loss,
    outlined,
    trained_probe,
)
from MRNLib.navigation.measuring.probefeatures import Features
from MRNLib.navigation.tokenizer import patchified


def features_of_labels(labels: torch.Tensor, patch: int = 4) -> Features:
    """Tokens that hold their patch's outlines, pixel by pixel."""
    flat = labels.flatten(0, 1).float()
    rows = flat.shape[-1] // patch
    tokens = patchified(flat, patch)
    maps = tokens.mT.unflatten(2, (rows, rows)).unflatten(0, labels.shape[:2])
    return Features(torch.zeros(*labels.shape[:2], 1 + rows**2, patch**2), (maps,) * 4)


def small_squares(clips: int, seed: int = 0) -> torch.Tensor:
    """``[clips, 2, 16, 16]``: a square of 2 pixels, smaller than a patch."""
    labels = torch.zeros(clips, 2, 16, 16, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(seed)
    for one in labels.flatten(0, 1):
        row, column = torch.randint(14, (2,), generator=generator).tolist()
        one[row : row + 2, column : column + 2] = 1
    return labels


def test_the_linear_probe_outlines_what_is_smaller_than_a_patch():
    labels = small_squares(20)
    features = features_of_labels(labels)
    probe = trained_probe("linear", features, labels, 2, steps=400, seed=0)
    found = outlined(probe, features_of_labels(small_squares(10, 1)))
    dice = dice_of_patients(found, small_squares(10, 1), ["p"] * 10, "NM")
    assert dice["NM-SN"]["p"] > 0.9


def test_logits_lie_where_their_pixels_do():
    labels = small_squares(1)
    probe = LinearProbe([torch.randn(3, 16, 4, 4)], 2, 16)
    torch.nn.init.zeros_(probe.linear.weight)
    torch.nn.init.zeros_(probe.linear.bias)
    # The first pixel of class 1 in every patch.
    probe.linear.bias.data[16] = 1.0
    logits = probe(features_of_labels(labels).maps[0].flatten(0, 1)[None])
    assert logits.shape == (2, 2, 16, 16)
    assert logits[:, 0].abs().max() == 0
    assert (logits[0, 1].nonzero() % 4 == 0).all()
    assert logits[0, 1].sum() == 16


@pytest.mark.parametrize("name", PROBES)
def test_the_same_seed_gives_the_same_probe(name):
    labels = small_squares(4)
    features = features_of_labels(labels)
    first, again, other = (
        trained_probe(name, features, labels, 2, steps=2, seed=seed).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one, again[key]) for key, one in first.items())
    assert any(not torch.equal(one, other[key]) for key, one in first.items())


@pytest.mark.parametrize("name", PROBES)
def test_the_size_of_features_does_not_matter(name):
    labels = small_squares(4)
    features = features_of_labels(labels)
    maps = tuple(50 * one + 7 for one in features.maps)
    large = dataclasses.replace(features, maps=maps)
    one, other = (
        outlined(trained_probe(name, own, labels, 2, steps=5, seed=1), own)
        for own in (features, large)
    )
    assert (one == other).float().mean() > 0.999


def test_loss_of_a_perfect_and_of_a_wrong_outline():
    labels = small_squares(2).flatten(0, 1).long()
    right = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1) * 40.0
    assert outline_loss(right, labels) == pytest.approx(0.0, abs=1e-6)
    assert outline_loss(right.flip(1), labels) == pytest.approx(40.0 + 1.0, abs=1e-3)
    even = torch.zeros_like(right)
    share = (labels == 1).float().mean()
    wanted = torch.log(torch.tensor(2.0)) + 1 - 2 * share * 0.5 / (0.5 + share)
    assert outline_loss(even, labels) == pytest.approx(float(wanted), abs=1e-6)


def test_dice_is_over_all_of_a_patients_slices():
    true = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    found = true.clone()
    true[0, 0] = torch.tensor([[1, 1], [0, 0]])
    found[0, 0] = torch.tensor([[1, 0], [0, 0]])
    found[1, 0] = torch.tensor([[1, 0], [0, 0]])  # not there in this slice
    dice = dice_of_patients(found, true, ["a", "a", "b"], "NM")
    # 2 * 1 / (2 + 2); b shows no nucleus.
    assert dice == {"NM-SN": {"a": 0.5}}
    assert set(dice_of_patients(found, true, "aab", "QSM")) >= {"CN", "DN"}
