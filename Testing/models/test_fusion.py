"""FFA and SFA against plain re-implementations, ROI by ROI, with explicit softmax attention."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MRNLib.models.fusion import (
    Block,
    FeatureFusion,
    SliceFusion,
    depth_embedding,
    grid_positions,
    rotary_tables,
    rotate,
)
from MRNLib.models.packing import Layout, RoiShape

WIDTH, HEADS = 24, 2
# Given out of packed order on purpose; two have equal grids, one a single slice.
SHAPES = [RoiShape(3, 2, 2), RoiShape(2, 4, 3), RoiShape(3, 2, 1), RoiShape(1, 1, 2)]


def naive_rotation(vector: Tensor, position: tuple[int, int], base: float = 100.0) -> Tensor:
    """Rotary embedding of one head's vector by complex multiplication, channel pair by pair."""
    turned = vector.clone()
    half = len(vector) // 2
    quarter = half // 2
    for axis in range(2):
        for pair in range(quarter):
            first, second = axis * half + pair, axis * half + pair + quarter
            angle = torch.tensor(position[axis] * base ** (-2 * pair / half))
            number = torch.complex(vector[first], vector[second])
            product = number * torch.complex(angle.cos(), angle.sin())
            turned[first], turned[second] = product.real, product.imag
    return turned


def naive_block(
    block: Block, tokens: Tensor, positions: list[tuple[int, int]] | None = None
) -> Tensor:
    """A VGGT block on one sequence ``[tokens, C]``."""
    parameters = dict(block.named_parameters())

    def linear(name: str, value: Tensor) -> Tensor:
        return value @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]

    def norm(name: str, value: Tensor) -> Tensor:
        centred = value - value.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    queries, keys, values = linear("attn.qkv", norm("norm1", tokens)).chunk(3, -1)
    heads = []
    for query, key, value in zip(
        *(part.chunk(HEADS, -1) for part in (queries, keys, values)), strict=True
    ):
        query, key = norm("attn.q_norm", query), norm("attn.k_norm", key)
        if positions is not None:
            query, key = (
                torch.stack([naive_rotation(*pair) for pair in zip(part, positions, strict=True)])
                for part in (query, key)
            )
        heads.append((query @ key.T / (WIDTH // HEADS) ** 0.5).softmax(-1) @ value)
    tokens = tokens + parameters["ls1.gamma"] * linear("attn.proj", torch.cat(heads, -1))
    hidden = F.gelu(linear("mlp.fc1", norm("norm2", tokens)))
    return tokens + parameters["ls2.gamma"] * linear("mlp.fc2", hidden)


def roi_tokens(shapes: list[RoiShape]) -> list[Tensor]:
    """Random tokens ``[slices, 1 + patches, C]`` of each ROI."""
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randn(shape.slices, shape.slice_length, WIDTH, generator=generator)
        for shape in shapes
    ]


def pack(rois: list[Tensor], layout: Layout) -> Tensor:
    return torch.cat([rois[index].flatten(0, 1) for index in layout.order])


@pytest.mark.parametrize("blocks", [1, 3])
@torch.no_grad()
def test_ffa_is_global_then_local_attention(
    blocks: int, randomise: Callable[..., nn.Module]
) -> None:
    ffa = randomise(FeatureFusion(WIDTH, HEADS, blocks))
    layout = Layout.of(SHAPES)
    rois = roi_tokens(SHAPES)
    fused = ffa(pack(rois, layout), layout)
    assert len(fused) == blocks
    for number in range(blocks):
        expected_global, expected_local = [], []
        for index, (shape, roi) in enumerate(zip(SHAPES, rois, strict=True)):
            grid = [(r + 1, c + 1) for r in range(shape.rows) for c in range(shape.columns)]
            positions = [(0, 0), *grid]
            everywhere = naive_block(
                ffa.global_blocks[number], roi.flatten(0, 1), positions * shape.slices
            ).view_as(roi)
            within = [naive_block(ffa.local_blocks[number], one, positions) for one in everywhere]
            rois[index] = torch.stack(within)
            expected_global.append(everywhere)
            expected_local.append(rois[index])
        assert torch.allclose(
            fused[number].after_global, pack(expected_global, layout), atol=1e-4, rtol=1e-4
        )
        assert torch.allclose(
            fused[number].after_local, pack(expected_local, layout), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("blocks", [1, 2])
@torch.no_grad()
def test_sfa_is_attention_of_the_roi_token_and_the_slice_tokens(
    blocks: int, randomise: Callable[..., nn.Module]
) -> None:
    sfa = randomise(SliceFusion(WIDTH, HEADS, blocks))
    layout = Layout.of(SHAPES)
    rois = [roi[:, 0] for roi in roi_tokens(SHAPES)]
    tokens = sfa(torch.cat([rois[index] for index in layout.order]), layout)
    for packed, index in enumerate(layout.order):
        sequence = torch.cat([sfa.roi_token, rois[index]])
        for block in sfa.blocks:
            sequence = naive_block(block, sequence)
        expected = F.layer_norm(sequence[0], (WIDTH,), sfa.norm.weight, sfa.norm.bias)
        assert torch.allclose(tokens[packed], expected, atol=1e-4, rtol=1e-4)


def test_rotary_dot_product_depends_on_the_offset_only() -> None:
    query, key = torch.randn(2, 1, 1, 16, dtype=torch.float64)

    def product(at_query: tuple[int, int], at_key: tuple[int, int]) -> float:
        turned = [
            rotate(vector, rotary_tables(torch.tensor([position]), 16, 100.0))
            for vector, position in ((query, at_query), (key, at_key))
        ]
        return float((turned[0] * turned[1]).sum())

    reference = product((1, 2), (4, 3))
    assert product((11, 7), (14, 8)) == pytest.approx(reference, rel=1e-5)
    assert product((0, 0), (3, 1)) == pytest.approx(reference, rel=1e-5)
    assert product((1, 2), (5, 3)) != pytest.approx(reference, rel=1e-3)
    assert product((1, 2), (4, 4)) != pytest.approx(reference, rel=1e-3)


def test_rotation_is_complex_multiplication_and_leaves_special_tokens() -> None:
    shape = RoiShape(2, 3, 1)
    positions = grid_positions(shape)
    assert positions.tolist() == [[0, 0], [1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    vectors = torch.randn(7, 2, 12)
    turned = rotate(vectors, rotary_tables(positions, 12, 100.0))
    assert torch.equal(turned[0], vectors[0])
    assert torch.allclose(turned.norm(dim=-1), vectors.norm(dim=-1), atol=1e-5)
    for token in range(7):
        expected = naive_rotation(vectors[token, 1], tuple(positions[token].tolist()))
        assert torch.allclose(turned[token, 1], expected, atol=1e-5)


def test_depth_embedding_in_closed_form() -> None:
    embedding = depth_embedding(5, 8)
    assert torch.equal(embedding[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    for slice_number in range(5):
        angles = torch.tensor([slice_number / 10000 ** (pair / 4) for pair in range(4)])
        expected = torch.cat([angles.sin(), angles.cos()])
        assert torch.allclose(embedding[slice_number], expected, atol=1e-6)
    assert torch.equal(depth_embedding(3, 8), embedding[:3])


def test_recomputed_activations_give_the_same_gradients(
    randomise: Callable[..., nn.Module],
) -> None:
    layout = Layout.of(SHAPES)
    tokens = pack(roi_tokens(SHAPES), layout)
    ffa = randomise(FeatureFusion(WIDTH, HEADS, 1)).train()
    gradients = []
    for recompute in (False, True):
        ffa.recompute = recompute
        ffa.zero_grad()
        ffa(tokens, layout)[-1].after_local.square().sum().backward()
        gradients.append([parameter.grad for parameter in ffa.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.allclose(plain, recomputed, atol=1e-4)


def test_width_that_no_head_can_rotate_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of four times"):
        FeatureFusion(24, 4, 1)
