"""Losses against naive loops, closed forms and torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from MRNLib.training.losses import (
    IGNORED_LABEL,
    LossParts,
    class_weights,
    classification_loss,
    contrastive_loss,
    linear_ramp,
    mean_segmentation_loss,
    segmentation_loss,
)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=1)


def naive_contrastive(anchors, anchor_labels, keys, key_labels, tau, form, usable=None):
    losses = []
    for a, label in enumerate(anchor_labels):
        score = [math.exp(float(anchors[a] @ key) / tau) for key in keys]
        allowed = [k for k in range(len(keys)) if usable is None or usable[a, k]]
        positives = [k for k in allowed if key_labels[k] == label]
        negatives = [k for k in allowed if key_labels[k] != label]
        if not positives or not negatives:
            continue
        terms = []
        for p in positives:
            rivals = sum(score[n] for n in negatives)
            rivals += score[p] if form == "eq8" else sum(score[q] for q in positives)
            terms.append(-math.log(score[p] / rivals))
        losses.append(sum(terms) / len(terms))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("form", ["eq8", "supcon"])
@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
@pytest.mark.parametrize("masked", [False, True])
def test_contrastive_equals_three_loops(form, temperature, masked):
    anchors, keys = unit(5, 8), unit(11, 8, seed=1)
    anchor_labels = torch.tensor([0, 1, 1, 0, 1])
    key_labels = torch.tensor([0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0])
    usable = torch.rand(5, 11, generator=torch.Generator().manual_seed(3)) > 0.3 if masked else None
    loss = contrastive_loss(
        anchors, anchor_labels, keys, key_labels, temperature=temperature, form=form, usable=usable
    )
    wanted = naive_contrastive(anchors, anchor_labels, keys, key_labels, temperature, form, usable)
    assert loss.item() == pytest.approx(wanted, rel=1e-8)


def test_one_positive_and_one_negative_is_log_of_one_plus_exp():
    anchor, keys = unit(1, 6), unit(2, 6, seed=2)
    positive, negative = (float(anchor[0] @ key) for key in keys)
    loss = contrastive_loss(anchor, torch.tensor([1]), keys, torch.tensor([1, 0]), temperature=0.1)
    assert loss.item() == pytest.approx(math.log1p(math.exp((negative - positive) / 0.1)))


def test_opposed_classes_have_a_known_loss():
    anchors = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 1])
    loss = contrastive_loss(anchors, labels, anchors, labels, temperature=1.0)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2.0)), rel=1e-6)


def test_length_of_a_projection_does_not_matter():
    anchors, keys = unit(3, 4), unit(4, 4, seed=1)
    labels, key_labels = torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1, 0])
    plain = contrastive_loss(anchors, labels, keys, key_labels)
    scaled = contrastive_loss(anchors * 7, labels, keys * 0.1, key_labels)
    assert scaled.item() == pytest.approx(plain.item(), rel=1e-9)


@pytest.mark.parametrize("form", ["eq8", "supcon"])
def test_stable_at_a_tiny_temperature(form):
    # exp(1 / .01) overflows float32; log-sum-exp does not.
    anchors = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    keys = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    loss = contrastive_loss(
        anchors, torch.tensor([0, 0]), keys, torch.tensor([0, 1]), temperature=0.01, form=form
    )
    assert loss.item() == pytest.approx(200.0)
    loss.backward()
    assert torch.isfinite(anchors.grad).all()


def test_anchors_without_a_pair_are_skipped():
    anchors, keys = unit(2, 4), unit(3, 4, seed=1)
    keys_labels = torch.tensor([0, 0, 1])
    usable = torch.tensor([[True, True, True], [True, True, False]])
    labels = torch.tensor([0, 0])
    both = contrastive_loss(anchors, labels, keys, keys_labels, usable=usable)
    first = contrastive_loss(anchors[:1], labels[:1], keys, keys_labels)
    assert both.item() == pytest.approx(first.item())


def test_no_pairs_at_all_is_zero_with_a_graph():
    anchors = unit(2, 4).requires_grad_()
    loss = contrastive_loss(anchors, torch.tensor([0, 0]), unit(2, 4), torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(anchors.grad, torch.zeros_like(anchors))


@pytest.mark.parametrize("form", ["eq8", "supcon"])
def test_contrastive_gradient(form):
    anchors, keys = unit(3, 5).requires_grad_(), unit(6, 5, seed=1)
    labels, key_labels = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1, 1, 1, 0])
    assert torch.autograd.gradcheck(
        lambda values: contrastive_loss(values, labels, keys, key_labels, form=form), (anchors,)
    )


def test_no_gradient_flows_into_keys():
    keys = unit(4, 4).requires_grad_()
    anchors = unit(2, 4, seed=1).requires_grad_()
    contrastive_loss(anchors, torch.tensor([0, 1]), keys, torch.tensor([0, 1, 0, 1])).backward()
    assert keys.grad is None


def test_contrastive_is_fp32_under_autocast():
    anchors, keys = unit(4, 8).float(), unit(8, 8, seed=1).float()
    labels, key_labels = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1] * 4)
    plain = contrastive_loss(anchors, labels, keys, key_labels, temperature=0.01)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = contrastive_loss(anchors, labels, keys, key_labels, temperature=0.01)
    assert under.dtype == torch.float32
    assert under.item() == plain.item()


def naive_segmentation(logits, labels):
    slices, classes, height, width = logits.shape
    pixels = [
        (s, y, x)
        for s in range(slices)
        for y in range(height)
        for x in range(width)
        if labels[s, y, x] != IGNORED_LABEL
    ]
    share = [sum(int(labels[p]) == c for p in pixels) / len(pixels) for c in range(classes)]
    total = 0.0
    for s, y, x in pixels:
        label = int(labels[s, y, x])
        exps = [math.exp(float(logits[s, c, y, x])) for c in range(classes)]
        total -= (1 - share[label]) * math.log(exps[label] / sum(exps))
    return total / len(pixels)


def segmentation_case(ignored: bool):
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 6), generator=generator)
    labels[:, :3] = 0
    if ignored:
        labels[:, -1] = IGNORED_LABEL
    return logits, labels


@pytest.mark.parametrize("ignored", [False, True])
def test_segmentation_equals_naive_loop(ignored):
    logits, labels = segmentation_case(ignored)
    wanted = naive_segmentation(logits, labels)
    assert segmentation_loss(logits, labels).item() == pytest.approx(wanted, rel=1e-6)


def test_segmentation_is_not_torchs_weighted_mean():
    logits, labels = segmentation_case(ignored=False)
    weights = class_weights(labels, 4).double()
    torchs = functional.cross_entropy(logits, labels, weight=weights)
    assert abs(segmentation_loss(logits, labels).item() - torchs.item()) > 0.05


def test_class_weights_are_one_minus_share():
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2, IGNORED_LABEL, IGNORED_LABEL])
    weights = class_weights(labels, 4)
    assert torch.allclose(weights, 1 - torch.tensor([6, 2, 1, 0]) / 9)


def test_all_ignored_is_zero_with_a_graph():
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 3, 3), IGNORED_LABEL))
    loss.backward()
    assert loss.item() == 0.0


def test_roi_volumes_count_equally():
    logits, labels = segmentation_case(ignored=False)
    mean = mean_segmentation_loss([logits, logits[:1]], [labels, labels[:1]])
    each = (segmentation_loss(logits, labels) + segmentation_loss(logits[:1], labels[:1])) / 2
    assert mean.item() == pytest.approx(each.item())


def test_classification_is_cross_entropy():
    logits = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    loss = classification_loss(logits, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx((math.log(2) + math.log1p(math.exp(-2))) / 2)


def test_total_is_equation_12():
    parts = LossParts(torch.tensor(2.0), torch.tensor(3.0), torch.tensor(5.0))
    assert parts.total(1.0, 0.1).item() == pytest.approx(5 + 2 + 0.3)
    assert LossParts(torch.tensor(2.0), None, None).total(0.5, 0.1).item() == pytest.approx(1.0)


def test_ramp_rises_and_stays():
    assert [linear_ramp(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert linear_ramp(0, 0) == 1.0
