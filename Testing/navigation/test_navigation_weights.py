"""``weights: navigation:PATH`` starts an MRN from a tokenizer's encoder, or says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from pretraining_helpers import tiny_config
from safetensors.torch import load_file, save_file
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.backbone import create_vit
from MRNLib.models.config import BackboneConfig, MrnConfig, PreprocessConfig
from MRNLib.models.mrn import Mrn
from MRNLib.models.weights import file_sha256
from MRNLib.navigation.exported import export, load_tokenizer, tokenizer_record, write_description
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.training.config import parse_config
from MRNLib.training.initialisation import new_student

CONFIG = tiny_config()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    torch.manual_seed(5)
    tokenizer = Tokenizer(CONFIG.encoder, CONFIG.images)
    for parameter in tokenizer.parameters():
        torch.nn.init.normal_(parameter)
    return tokenizer.eval()


@pytest.fixture
def out(tokenizer, tmp_path) -> Path:
    """The folder of a pre-training."""
    state = tokenizer.encoder.vit.state_dict()
    export(tmp_path / "tokenizer.safetensors", state, tokenizer_record(tokenizer, CONFIG))
    return tmp_path


def backbone(out: Path, **changes: object) -> BackboneConfig:
    return replace(CONFIG.encoder, weights=f"navigation:{out}", **changes)


def mrn(config: BackboneConfig) -> MrnConfig:
    return MrnConfig(
        backbone=config,
        preprocess=PreprocessConfig(roi_size=28, patch_size=7),
        ffa_blocks=2,
        sfa_blocks=1,
        dpt_channels=(4, 4, 8, 8),
        dpt_features=4,
        head_hidden=8,
        projection_hidden=8,
        projection_dim=4,
    )


@pytest.mark.parametrize("file", ["", "tokenizer.safetensors"])
def test_an_mrn_starts_with_the_tokenizers_weights(out, tokenizer, file):
    found = Mrn(mrn(backbone(out / file))).res.backbone.state_dict()
    wanted = tokenizer.encoder.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], one) for name, one in wanted.items())


def test_the_position_embedding_is_resampled(out, tokenizer):
    vit = create_vit(backbone(out, image_size=56))
    grid = tokenizer.encoder.vit.pos_embed.detach().mT.unflatten(2, (4, 4))
    wanted = F.interpolate(grid, (8, 8), mode="bicubic", antialias=True).flatten(2).mT
    assert torch.allclose(vit.pos_embed, wanted, atol=1e-6)


def test_a_start_from_scratch_leaves_the_encoder_alone(out, tokenizer):
    """``train.from_scratch`` is for what brings no weights: here the fusion blocks."""
    model = {"backbone": {"weights": f"navigation:{out}", **_shape()}, "ffa_blocks": 2}
    model |= {"preprocess": {"roi_size": 28, "patch_size": 7}, "dpt": None}
    for scratch in (True, False):
        config = parse_config({"model": model, "train": {"from_scratch": scratch}})
        student = new_student(config, 0, pretrained=True)
        found = student.res.backbone.state_dict()
        assert all(
            torch.equal(found[name], one) for name, one in tokenizer.encoder.state_dict().items()
        )
        fused = student.res.ffa.local_blocks[0].attn.qkv.weight
        assert (fused.abs().max() > 0.26) == scratch  # Xavier's limit is .306, torch's .25


def _shape() -> dict[str, object]:
    names = ("drop_path", "image_size", "patch_size", "embed_dim", "depth", "num_heads")
    return {name: getattr(CONFIG.encoder, name) for name in names}


def test_loaded_again_it_encodes_the_same(out, tokenizer):
    again, config = load_tokenizer(out)
    frames = torch.rand(3, 28, 28)
    assert config == CONFIG
    assert torch.equal(again.latents(frames), tokenizer.latents(frames))


def _rewritten(out: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Other tensors with a description that fits them."""
    file = out / "tokenizer.safetensors"
    state, record = load_file(file), json.loads((out / "tokenizer.json").read_text("utf-8"))
    change(state)
    save_file(state, file)
    write_description(file, {**record, "sha256": file_sha256(file)})


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda out: (out / "tokenizer.safetensors").unlink(), "No such weights file"),
    "no description": (lambda out: (out / "tokenizer.json").unlink(), "missing or damaged"),
    "half a description": (
        lambda out: (out / "tokenizer.json").write_text('{"sha256": "0', encoding="utf-8"),
        "missing or damaged",
    ),
    "another run's": (
        lambda out: save_file({"a": torch.zeros(1)}, out / "tokenizer.safetensors"),
        "Not the file that tokenizer.json describes",
    ),
    "text": (
        lambda out: (out / "tokenizer.safetensors").write_bytes(b"no weights"),
        "read safely",
    ),
    "not finite": (
        lambda out: _rewritten(out, lambda state: state["norm.weight"].fill_(torch.nan)),
        "not finite",
    ),
    "a tensor less": (
        lambda out: _rewritten(out, lambda state: state.pop("norm.weight")),
        "norm.weight",
    ),
    "a tensor more": (
        lambda out: _rewritten(out, lambda state: state.update(extra=torch.zeros(1))),
        "extra",
    ),
    "another shape": (
        lambda out: _rewritten(out, lambda state: state.update({"norm.bias": torch.zeros(8)})),
        "norm.bias",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_one_error(out, name):
    spoil, said = WRONG[name]
    spoil(out)
    with pytest.raises(InputError, match=said) as caught:
        create_vit(backbone(out))
    message = str(caught.value)
    assert str(out) in message
    assert "tokenizer" in message
    assert 2 <= len(message.splitlines()) <= 3
    assert len(message) < 700


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embed_dim": 24}, "embed_dim 16, and the backbone's settings say 24"),
        ({"depth": 3}, "depth 2, .* say 3"),
        # Heads leave no trace in the weights' shapes, and without this check none in the errors.
        ({"num_heads": 1}, "num_heads 2, .* say 1"),
        ({"patch_size": 14}, "patch_size 7, .* say 14"),
    ],
)
def test_another_encoder_is_refused_by_what_differs(out, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        create_vit(backbone(out, **changes))
    assert len(str(caught.value).splitlines()) == 3


def test_a_folder_without_the_prefix_is_told_with_it(out):
    with pytest.raises(InputError, match=f"give navigation:{out} as backbone weights"):
        create_vit(replace(CONFIG.encoder, weights=str(out)))
    with pytest.raises(InputError, match=r"Expected: hub, none, navigation:PATH"):
        create_vit(replace(CONFIG.encoder, weights=f"navigaton:{out}"))


def test_other_tensors_of_the_method_are_no_encoder(out):
    export(out / "dynamics.safetensors", {"change.bias": torch.zeros(3)}, {"arm": "aligned"})
    with pytest.raises(InputError, match="no tokenizer of slice navigation"):
        create_vit(backbone(out / "dynamics.safetensors"))


def test_weights_that_are_no_numbers_are_not_exported(tmp_path):
    file = tmp_path / "tokenizer.safetensors"
    with pytest.raises(InputError, match=r"no finite numbers \(a\)"):
        export(file, {"a": torch.tensor([1.0, torch.inf])}, {})
    assert not list(tmp_path.iterdir())
