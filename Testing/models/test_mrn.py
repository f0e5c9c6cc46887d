"""MRN as a whole: ragged batches, ablations, depth order, what inference leaves out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from MRNLib.anatomy import ROI_NAMES, ROIS
from MRNLib.models.config import MrnConfig
from MRNLib.models.heads import HEAD_PREFIX
from MRNLib.models.mrn import build, inference_state
from MRNLib.models.preprocess import blank, blank_like

Vary = Callable[..., MrnConfig]
Randomise = Callable[..., nn.Module]


@pytest.mark.parametrize("dpt", [None, "local", "global"])
@pytest.mark.parametrize("sfa_blocks", [0, 1, 3])
@pytest.mark.parametrize("ffa_blocks", [0, 1, 2, 3, 4])
def test_every_ablation_is_a_config(
    ffa_blocks: int, sfa_blocks: int, dpt: str | None, vary: Vary, patient: dict[str, Tensor]
) -> None:
    config = vary(ffa_blocks=ffa_blocks, sfa_blocks=sfa_blocks, dpt=dpt)
    model = build(config).train()
    output = model([patient])
    assert output.tokens.shape == (1, 4, 24)
    assert output.logits.shape == (1, 2)
    assert torch.allclose(output.projections.norm(dim=-1), torch.ones(1))
    total = output.logits.sum() + output.projections.sum()
    if dpt is None:
        assert output.segmentations is None
    else:
        for roi in ROIS:
            logits = output.segmentations[0][roi.name]
            slices, _, height, width = patient[roi.name].shape
            assert logits.shape == (slices, roi.classes, height, width)
            total = total + logits.square().mean()
    total.backward()
    untouched = [name for name, value in model.named_parameters() if value.grad is None]
    assert untouched == []


@pytest.mark.parametrize("changes", [{}, {"ffa_blocks": 0}, {"sfa_blocks": 0}])
@torch.no_grad()
def test_packed_equals_roi_by_roi(
    changes: dict[str, object], vary: Vary, randomise: Randomise, patient: dict[str, Tensor]
) -> None:
    model = randomise(build(vary(**changes)))
    other = {name: stack.flip(0) * 0.7 for name, stack in patient.items()}
    output = model([patient, other])
    for number, one in enumerate((patient, other)):
        alone = torch.stack([model.encode_one(one[name]) for name in ROI_NAMES])
        assert torch.allclose(output.tokens[number], alone, atol=1e-4)
        single = model([one])
        assert torch.allclose(output.logits[number], single.logits[0], atol=1e-4)
        for name in ROI_NAMES:
            [logits] = model.segment(model.res([one[name]], with_maps=True), [name])
            packed = output.segmentations[number][name]
            assert torch.allclose(packed, logits, atol=1e-3, rtol=1e-3)
    assert torch.allclose(model.encode_patients([patient, other]), output.tokens, atol=1e-4)


@pytest.mark.parametrize("sfa_blocks", [0, 2])
@pytest.mark.parametrize("slice_embedding", [False, True])
@torch.no_grad()
def test_depth_order_reaches_the_token_only_through_the_slice_embedding(
    slice_embedding: bool,
    sfa_blocks: int,
    vary: Vary,
    randomise: Randomise,
    patient: dict[str, Tensor],
) -> None:
    config = vary(slice_embedding=slice_embedding, sfa_blocks=sfa_blocks)
    model = randomise(build(config))
    stack = patient["QSM1"]
    difference = (model.encode_one(stack) - model.encode_one(stack[[2, 0, 3, 1]])).abs().max()
    assert (difference > 1e-3) == slice_embedding
    assert slice_embedding or difference < 1e-5


@torch.no_grad()
def test_without_sfa_the_token_is_the_mean_of_the_slice_tokens(
    vary: Vary, patient: dict[str, Tensor]
) -> None:
    config = vary(ffa_blocks=0, sfa_blocks=0, dpt=None, slice_embedding=False)
    model = build(config).eval()
    slice_tokens = model.res.backbone(patient["QSM1"]).slice_tokens
    assert torch.allclose(model.encode_one(patient["QSM1"]), slice_tokens.mean(0), atol=1e-5)


@torch.no_grad()
def test_local_and_global_differ_in_the_last_input_only(
    vary: Vary, randomise: Randomise, patient: dict[str, Tensor]
) -> None:
    local, everywhere = (randomise(build(vary(dpt=dpt))) for dpt in ("local", "global"))
    everywhere.load_state_dict(local.state_dict())
    maps = [model.res([patient["QSM1"]], with_maps=True).maps[0] for model in (local, everywhere)]
    assert len(maps[0]) == len(maps[1]) == 4
    assert all(torch.equal(maps[0][level], maps[1][level]) for level in range(3))
    assert not torch.allclose(maps[0][3], maps[1][3])


@torch.no_grad()
def test_segmentation_inputs_are_dinov2_g1_g2_l3(
    vary: Vary, randomise: Randomise, patient: dict[str, Tensor]
) -> None:
    model = randomise(build(vary()))
    stack = patient["NM"]
    calls: list[Tensor] = []
    ffa = model.res.ffa
    for block in (*ffa.global_blocks, *ffa.local_blocks):
        block.register_forward_hook(lambda _, __, output: calls.append(output))
    maps = model.res([stack], with_maps=True).maps[0]
    assert torch.equal(maps[0], model.res.backbone(stack).patch_maps[-1])
    # Hooks fire in the order global 1, local 1, global 2, local 2, global 3, local 3.
    for level, call in ((1, 0), (2, 2), (3, 5)):
        expected = calls[call].view(3, 9, 24)[:, 1:].transpose(1, 2).unflatten(2, (4, 2))
        assert torch.equal(maps[level], expected)


@torch.no_grad()
def test_encode_never_segments(
    vary: Vary, patient: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(vary()).eval()

    def forbidden(*arguments: object) -> None:
        raise AssertionError("the segmentation head was computed")

    monkeypatch.setattr(model.dpt, "forward", forbidden)
    model.encode(list(patient.values()))
    assert model([patient], segment=False).segmentations is None


@torch.no_grad()
def test_masked_roi_of_a_shape_has_its_own_token(
    vary: Vary, randomise: Randomise, patient: dict[str, Tensor]
) -> None:
    config = vary()
    model = randomise(build(config))
    masked = blank(3, 32, 16, config.preprocess)
    token = model.encode_one(masked)
    assert torch.equal(token, model.encode_one(blank_like(patient["NM"], config.preprocess)))
    longer = model.encode_one(blank(7, 32, 16, config.preprocess))
    assert not torch.allclose(token, longer, atol=1e-3)


@torch.no_grad()
def test_inference_state_loads_into_a_model_without_the_training_heads(
    vary: Vary, randomise: Randomise, patient: dict[str, Tensor]
) -> None:
    config = vary()
    model = randomise(build(config))
    state = inference_state(model.state_dict())
    small = build(config.for_inference(), pretrained=False).eval()
    small.load_state_dict(state)
    assert torch.equal(small([patient]).logits, model([patient]).logits)
    assert {name for name in state if name.startswith(HEAD_PREFIX)} == {
        f"{HEAD_PREFIX}{layer}.{kind}"
        for layer in ("hidden", "output")
        for kind in ("weight", "bias")
    }
    with pytest.raises(ValueError, match="no segmentation head"):
        small.segment(small.res([patient["NM"]], with_maps=True), ["NM"])
    with pytest.raises(ValueError, match="no projection head"):
        small.project(torch.zeros(1, 4, 24))


@torch.no_grad()
def test_bfloat16_autocast_is_close(
    vary: Vary, patient: dict[str, Tensor], randomise: Randomise
) -> None:
    model = randomise(build(vary()), 0.05)
    exact = model([patient])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model([patient])
    assert rounded.projections.dtype == torch.float32
    difference = (rounded.tokens.float() - exact.tokens).norm() / exact.tokens.norm()
    assert difference < 0.05


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 3, 16, 12), (3, 16, 16), (0, 3, 16, 16)])
def test_what_is_no_roi_is_refused(shape: tuple[int, ...], vary: Vary) -> None:
    with pytest.raises(ValueError, match=r"slices|multiple"):
        build(vary(dpt=None)).encode([torch.zeros(shape)])


def test_absent_roi_must_be_given_as_blank(vary: Vary, patient: dict[str, Tensor]) -> None:
    del patient["QSM3"]
    with pytest.raises(ValueError, match=r"lacks QSM3.*blank"):
        build(vary(dpt=None))([patient])


def test_segmentation_needs_its_inputs(vary: Vary, patient: dict[str, Tensor]) -> None:
    model = build(vary()).eval()
    with pytest.raises(ValueError, match="with_maps"):
        model.segment(model.res([patient["NM"]]), ["NM"])
