"""MRN at the paper's size: how many weights it has and where, and one ROI through it."""

from __future__ import annotations

import pytest
import torch

from MRNLib.models.config import PAPER
from MRNLib.models.mrn import Mrn, build


@pytest.fixture(scope="module")
def paper_model() -> Mrn:
    """The paper's model; without its initialisation, which takes longer than all of these tests."""
    with torch.device("meta"):
        model = build(PAPER, pretrained=False)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.02, 0.02)
    return model.eval()


def test_parameter_counts_at_paper_size(paper_model: Mrn) -> None:
    width = 768
    norm = 2 * width

    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    plain_block = (
        linear(width, 3 * width)
        + linear(width, width)
        + linear(width, 4 * width)
        + linear(4 * width, width)
        + 2 * norm
        + 2 * width  # LayerScale
    )
    fusion_block = plain_block + 2 * 2 * (width // 12)  # norms of queries and keys
    vit = linear(3 * 14 * 14, width) + (1 + 4 + 16 * 16) * width + 12 * plain_block + norm
    counts = {
        "res.backbone.": vit,
        "res.ffa.": 6 * fusion_block,
        "res.sfa.": 2 * fusion_block + width + norm,
        "classification_head.": linear(4 * width, 768) + linear(768, 2),
        "projector.": linear(4 * width, 768) + linear(768, 128),
        "dpt.": norm
        + sum(linear(width, channels) + channels * 256 * 9 for channels in (96, 192, 384, 768))
        + (96 * 96 * 16 + 96)
        + (192 * 192 * 4 + 192)
        + (768 * 768 * 9 + 768)
        + 7 * 2 * linear(256 * 9, 256)  # residual units
        + 4 * linear(256, 256)
        + linear(256 * 9, 128)
        + sum(linear(128, classes) for classes in (2, 5, 4, 2)),
    }
    assert vit == 85_727_232
    for prefix, expected in counts.items():
        assert _count(paper_model, prefix) == expected, prefix
    assert _count(paper_model, "") == sum(counts.values()) == 166_118_991


def _count(model: Mrn, prefix: str) -> int:
    return sum(value.numel() for name, value in model.named_parameters() if name.startswith(prefix))


@torch.no_grad()
def test_paper_size_forward(paper_model: Mrn) -> None:
    stack = torch.randn(2, 3, 224, 28)
    features = paper_model.res([stack], with_maps=True)
    [logits] = paper_model.segment(features, ["QSM2"])
    assert features.tokens.shape == (1, 768)
    assert logits.shape == (2, 4, 224, 28)
    assert torch.isfinite(logits).all()
