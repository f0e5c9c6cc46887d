"""DINOv2 weights: Meta format read as timm reads it, anything else refused in one sentence."""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.backbone import Backbone, create_vit
from MRNLib.models.config import BackboneConfig

WIDTH, DEPTH, HEADS, GRID = 24, 4, 2, 37
CONFIG = BackboneConfig(
    weights="none", image_size=224, patch_size=14, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS
)


def meta_state(width: int = WIDTH, registers: int = 4) -> dict[str, Tensor]:
    """A DINOv2 in the layout of dinov2_vitb14_reg4_pretrain.pth, of a small width."""
    generator = torch.Generator().manual_seed(7)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    state = {
        "cls_token": random(1, 1, width),
        "register_tokens": random(1, registers, width),
        "mask_token": random(1, width),
        "pos_embed": random(1, 1 + GRID * GRID, width),
        "patch_embed.proj.weight": random(width, 3, 14, 14),
        "patch_embed.proj.bias": random(width),
        "norm.weight": random(width),
        "norm.bias": random(width),
    }
    layers = {
        "norm1": (width,),
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        "norm2": (width,),
        "mlp.fc1": (4 * width, width),
        "mlp.fc2": (width, 4 * width),
    }
    for block in range(DEPTH):
        for name, shape in layers.items():
            state[f"blocks.{block}.{name}.weight"] = random(*shape)
            state[f"blocks.{block}.{name}.bias"] = random(shape[0])
        for name in ("ls1", "ls2"):
            state[f"blocks.{block}.{name}.gamma"] = random(width)
    if not registers:
        del state["register_tokens"]
    return state


def meta_forward(state: dict[str, Tensor], image: Tensor) -> Tensor:
    """DINOv2 as Meta's code computes it at its own image size, written out plainly."""

    def linear(name: str, value: Tensor) -> Tensor:
        return value @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name: str, value: Tensor) -> Tensor:
        return F.layer_norm(value, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    projection = (state["patch_embed.proj.weight"], state["patch_embed.proj.bias"])
    patches = F.conv2d(image, *projection, stride=14).flatten(2).transpose(1, 2)
    tokens = torch.cat([state["cls_token"].expand(len(image), -1, -1), patches], 1)
    tokens = tokens + state["pos_embed"]
    registers = state["register_tokens"].expand(len(image), -1, -1)
    tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], 1)
    for number in range(DEPTH):
        block = f"blocks.{number}"
        qkv = linear(f"{block}.attn.qkv", norm(f"{block}.norm1", tokens))
        query, key, value = (
            part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in qkv.chunk(3, -1)
        )
        weights = (query @ key.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5).softmax(-1)
        attended = linear(f"{block}.attn.proj", (weights @ value).transpose(1, 2).flatten(2))
        tokens = tokens + state[f"{block}.ls1.gamma"] * attended
        hidden = F.gelu(linear(f"{block}.mlp.fc1", norm(f"{block}.norm2", tokens)))
        tokens = tokens + state[f"{block}.ls2.gamma"] * linear(f"{block}.mlp.fc2", hidden)
    return norm("norm", tokens)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "dinov2_reg4_pretrain.pth"
    torch.save(meta_state(), path)
    return path


def test_meta_weights_compute_what_metas_model_computes(weights_file: Path) -> None:
    config = replace(CONFIG, weights=str(weights_file), image_size=14 * GRID)
    image = torch.randn(2, 3, 14 * GRID, 14 * GRID, generator=torch.Generator().manual_seed(1))
    expected = meta_forward(meta_state(), image)
    with torch.no_grad():
        features = Backbone(config).eval()(image)
    assert torch.allclose(features.slice_tokens, expected[:, 0], atol=1e-4)
    patches = features.patch_maps[-1].flatten(2).transpose(1, 2)
    assert torch.allclose(patches, expected[:, 5:], atol=1e-4)


def test_meta_weights_load_as_timm_loads_them(weights_file: Path) -> None:
    expected = timm.create_model(
        CONFIG.name,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(weights_file)},
        img_size=224,
        dynamic_img_size=True,
        num_classes=0,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
    ).state_dict()
    loaded = create_vit(replace(CONFIG, weights=str(weights_file))).state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_registers_kept_and_position_embedding_resampled(weights_file: Path) -> None:
    state = meta_state()
    vit = create_vit(replace(CONFIG, weights=str(weights_file)))
    assert torch.equal(vit.reg_token, state["register_tokens"])
    assert torch.equal(vit.cls_token, state["cls_token"] + state["pos_embed"][:, :1])
    grid = state["pos_embed"][:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))
    resampled = F.interpolate(grid, (16, 16), mode="bicubic", antialias=True)
    assert torch.allclose(vit.pos_embed, resampled.flatten(2).transpose(1, 2), atol=1e-6)
    assert "state_dict" not in vit.pretrained_cfg


def test_loaded_layer_scale_wins_over_the_random_initialisation(weights_file: Path) -> None:
    config = replace(CONFIG, weights=str(weights_file), layer_scale_init=0.7)
    gamma = create_vit(config).state_dict()["blocks.0.ls1.gamma"]
    assert torch.equal(gamma, meta_state()["blocks.0.ls1.gamma"])


def test_timm_safetensors_load_too(weights_file: Path, tmp_path: Path) -> None:
    vit = create_vit(replace(CONFIG, weights=str(weights_file)))
    path = tmp_path / "model.safetensors"
    save_file(vit.state_dict(), path)
    again = create_vit(replace(CONFIG, weights=str(path))).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in vit.state_dict().items())


class _Trap:
    """A pickle that makes a folder when it is unpickled in full."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


def _saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _not_finite() -> dict[str, Tensor]:
    state = meta_state()
    state["norm.weight"][0] = float("nan")
    return state


WRONG_FILES = {
    "text.pth": lambda folder: b"not a weights file",
    "text.safetensors": lambda folder: b"not a weights file",
    "empty.pth": lambda folder: b"",
    "trap.pth": lambda folder: pickle.dumps(_Trap(str(folder / "sprung"))),
    "trap_in_torch.pth": lambda folder: _saved({"model": _Trap(str(folder / "sprung"))}),
    "list.pth": lambda folder: _saved([torch.zeros(1)]),
    "nothing.pth": lambda folder: _saved({}),
    "other_model.pth": lambda folder: _saved({"conv.weight": torch.zeros(3, 3)}),
    "wider.pth": lambda folder: _saved(meta_state(width=48)),
    "no_registers.pth": lambda folder: _saved(meta_state(registers=0)),
    "not_finite.pth": lambda folder: _saved(_not_finite()),
    "truncated.pth": lambda folder: _saved(meta_state())[:5000],
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_wrong_file_is_refused_in_one_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(WRONG_FILES[name](tmp_path))
    with pytest.raises(InputError) as caught:
        create_vit(replace(CONFIG, weights=str(path)))
    _check_message(str(caught.value), str(path))
    assert not (tmp_path / "sprung").exists()


def test_missing_file_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.pth")
    with pytest.raises(InputError) as caught:
        create_vit(replace(CONFIG, weights=path))
    _check_message(str(caught.value), path)


def test_unreachable_hub_tells_the_local_file_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*arguments: object, **keywords: object) -> None:
        raise OSError("We couldn't connect to the hub.\nCheck your connection.")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", no_network)
    with pytest.raises(InputError) as caught:
        create_vit(replace(CONFIG, weights="hub"))
    _check_message(str(caught.value), "from the hub (We couldn't connect")


def _check_message(message: str, contains: str) -> None:
    assert contains in message
    assert "dinov2_vitb14_reg4_pretrain.pth" in message
    assert 2 <= len(message.splitlines()) <= 3
    assert len(message) < 900


@pytest.mark.parametrize(("initial", "expected"), [(0.1, 0.1), (1.0, 1.0), (None, 1e-5)])
def test_random_layer_scale_is_raised(initial: float | None, expected: float) -> None:
    vit = create_vit(replace(CONFIG, layer_scale_init=initial))
    assert torch.allclose(vit.state_dict()["blocks.3.ls2.gamma"], torch.full((WIDTH,), expected))


def test_drop_path_is_wired() -> None:
    backbone = Backbone(replace(CONFIG, drop_path=0.2, layer_scale_init=1.0))
    rates = [block.drop_path1.drop_prob for block in backbone.vit.blocks[1:]]
    assert rates == pytest.approx([0.2 / 3, 0.4 / 3, 0.2])
    image = torch.randn(8, 3, 28, 28)
    torch.manual_seed(0)
    first, second = (backbone.train()(image).slice_tokens for _ in range(2))
    assert not torch.allclose(first, second)
    first, second = (backbone.eval()(image).slice_tokens for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("depth", "taps", "blocks"),
    [
        (12, 4, [2, 5, 8, 11]),
        (12, 3, [3, 7, 11]),
        (12, 2, [5, 11]),
        (12, 1, [11]),
        (4, 4, [0, 1, 2, 3]),
        (4, 1, [3]),
    ],
)
def test_tapped_blocks(depth: int, taps: int, blocks: list[int]) -> None:
    assert Backbone(replace(CONFIG, depth=depth), taps).tapped_blocks == blocks


def test_more_taps_than_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="3 blocks"):
        Backbone(replace(CONFIG, depth=3), taps=4)


@pytest.mark.parametrize("name", ["vit_base_patch14_dinov2", "resnet18", "dinov2_of_my_own"])
@pytest.mark.parametrize("weights", ["none", "hub"])
def test_a_model_without_registers_is_refused(
    name: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"vit_base_patch14_dinov2": {"depth": 1, "embed_dim": 12, "num_heads": 1}}

    def small(wanted: str, **arguments: object) -> object:
        return create_model(wanted, **known.get(wanted, {}))

    create_model = timm.create_model
    monkeypatch.setattr("timm.create_model", small)
    with pytest.raises(InputError, match="with registers") as caught:
        create_vit(BackboneConfig(name=name, weights=weights))
    assert "vit_base_patch14_reg4_dinov2" in str(caught.value)
