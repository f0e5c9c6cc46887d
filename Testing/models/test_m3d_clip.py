from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from region_helpers import TINY_M3D_CLIP, make_regions
from safetensors.torch import save_file
from torch import Tensor

from MRNLib.anatomy import ROI_NAMES
from MRNLib.errors import InputError
from MRNLib.models.build import build_system
from MRNLib.models.m3d_clip import M3dClip, M3dClipConfig


def authors_vit():
    """MONAI's ViT as the authors' code builds it, at a small size."""
    from monai.networks.nets import ViT

    torch.manual_seed(3)
    vit = ViT(
        in_channels=1,
        img_size=(8, 32, 32),
        patch_size=(4, 16, 16),
        hidden_size=24,
        mlp_dim=48,
        num_layers=2,
        num_heads=2,
        proj_type="perceptron",
        classification=True,
    )
    del vit.classification_head
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.3)
    return vit.eval()


def published(vit, newer: bool = False) -> dict[str, Tensor]:
    """The whole model's tensors by the names of the authors' file.

    ``newer``: as written with a later MONAI, which has norms for text that are not used.
    """
    state = {
        f"vision_encoder.{name}": tensor
        for name, tensor in vit.state_dict().items()
        if newer or "cross_attn" not in name
    }
    others = {
        "language_encoder.embeddings.word_embeddings.weight": torch.randn(5, 24),
        "mm_vision_proj.weight": torch.randn(24, 24),
        "mm_language_proj.weight": torch.randn(24, 24),
        "logit_scale": torch.tensor(2.7),
    }
    return {name: tensor.clone() for name, tensor in (state | others).items()}


def with_weights(path: Path) -> M3dClipConfig:
    return dataclasses.replace(TINY_M3D_CLIP, weights=str(path))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "pretrained_ViT.bin"])
def test_published_weights_give_the_authors_class_tokens(tmp_path, name):
    vit = authors_vit()
    path = tmp_path / name
    state = published(vit, newer=name == "pytorch_model.bin")
    if name == "model.safetensors":
        save_file(state, path)
    elif name == "pytorch_model.bin":
        torch.save(state, path)
    else:
        prefix = "vision_encoder."
        bare = {key.removeprefix(prefix): one for key, one in state.items() if prefix in key}
        torch.save(bare, path)
    system = build_system(with_weights(path)).eval()
    stacks = [one.stacks for one in system.prepare(make_regions(2))]
    with torch.no_grad():
        tokens = system(stacks).tokens
        for place, roi in enumerate(ROI_NAMES):
            expected = vit(torch.stack([one[roi] for one in stacks]))[0][:, 0]
            torch.testing.assert_close(tokens[:, place], expected, atol=1e-5, rtol=1e-5)


def test_names_and_shapes_at_full_size():
    """The tensors of the authors' code: MONAI 1.3's ViT, perceptron patches, no bias on qkv."""
    with torch.device("meta"):
        shapes = {
            name: tuple(one.shape)
            for name, one in M3dClip(M3dClipConfig()).vit.state_dict().items()
        }
    block = {
        "mlp.linear1.weight": (3072, 768),
        "mlp.linear1.bias": (3072,),
        "mlp.linear2.weight": (768, 3072),
        "mlp.linear2.bias": (768,),
        "norm1.weight": (768,),
        "norm1.bias": (768,),
        "attn.out_proj.weight": (768, 768),
        "attn.out_proj.bias": (768,),
        "attn.qkv.weight": (2304, 768),
        "norm2.weight": (768,),
        "norm2.bias": (768,),
    }
    expected = {
        "cls_token": (1, 1, 768),
        "patch_embedding.position_embeddings": (1, 2048, 768),
        "patch_embedding.patch_embeddings.1.weight": (768, 1024),
        "patch_embedding.patch_embeddings.1.bias": (768,),
        "norm.weight": (768,),
        "norm.bias": (768,),
    } | {f"blocks.{i}.{name}": shape for i in range(12) for name, shape in block.items()}
    assert shapes == expected


def lacking(state):
    del state["vision_encoder.blocks.1.attn.qkv.weight"]
    return "lacks blocks.1.attn.qkv.weight"


def misshapen(state):
    state["vision_encoder.patch_embedding.position_embeddings"] = torch.zeros(1, 9, 24)
    return r"position_embeddings has the shape \(1, 9, 24\), not \(1, 8, 24\)"


def infinite(state):
    state["vision_encoder.norm.weight"][0] = torch.inf
    return "norm.weight holds values that are not finite"


def too_many(state):
    state["vision_encoder.blocks.2.norm1.weight"] = torch.ones(24)
    return "also holds blocks.2.norm1.weight"


@pytest.mark.parametrize("spoil", [lacking, misshapen, infinite, too_many])
def test_wrong_tensors(tmp_path, spoil):
    state = published(authors_vit())
    reason = spoil(state)
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    with pytest.raises(InputError, match=reason) as caught:
        build_system(with_weights(path))
    assert caught.value.file == str(path)
    assert "GoodBaiBai88/M3D-CLIP" in str(caught.value)


def test_files_that_are_no_weights(tmp_path):
    with pytest.raises(InputError, match="No such weights file") as caught:
        build_system(with_weights(tmp_path / "none.safetensors"))
    assert "GoodBaiBai88/M3D-CLIP" in str(caught.value)
    torn = tmp_path / "model.safetensors"
    torn.write_bytes(b"not tensors")
    with pytest.raises(InputError, match="read safely"):
        build_system(with_weights(torn))
    unsafe = tmp_path / "pytorch_model.bin"
    torch.save({"vision_encoder.norm.weight": Path("x")}, unsafe)
    with pytest.raises(InputError, match="read safely"):
        build_system(with_weights(unsafe))
    other = tmp_path / "other.bin"
    torch.save({"encoder.weight": torch.ones(2)}, other)
    with pytest.raises(InputError, match="lacks cls_token"):
        build_system(with_weights(other))
    build_system(with_weights(torn), pretrained=False)


def test_recomputed_activations_give_the_same_gradients():
    gradients = []
    for again in (False, True):
        torch.manual_seed(1)
        system = build_system(dataclasses.replace(TINY_M3D_CLIP, checkpoint_activations=again))
        stacks = [one.stacks for one in system.train().prepare(make_regions(2))]
        system(stacks).logits.square().sum().backward()
        gradients.append(system.vit.cls_token.grad)
    torch.testing.assert_close(*gradients)
