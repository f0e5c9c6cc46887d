"""What a pre-training leaves: the encoder as a plain DINOv2, and the model of slices over it.

Each is a safetensors file with JSON beside it, which names its hash, so that halves of different
runs are never taken together. ``tokenizer.safetensors`` has timm's names: MRN's backbone reads it
(``weights: navigation:PATH``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.backbone import encoder_shape
from MRNLib.models.config import NAVIGATION
from MRNLib.models.weights import (
    PRETRAINED,
    TOKENIZER,
    file_sha256,
    first_line,
    read_described,
)
from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.navigation.volumes import Volume
from MRNLib.navigation.world import World
from MRNLib.training.checkpoint import written_or_told
from MRNLib.training.folder import difference
from MRNLib.training.settingsfile import checked
from MRNLib.writing import replaced

DYNAMICS = "dynamics.safetensors"
TRAINED = "give the --out folder of a finished Training/pretrain_navigation.py train"


def export(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Path:
    """Writes tensors, and beside them what they are.

    Args:
        path: The file of tensors.
        tensors: On any device.
        record: JSON values; the file's hash is added.

    Raises:
        InputError: A value is not finite, or a file cannot be written.
    """
    kept = {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}
    if wrong := next((name for name, one in kept.items() if not one.isfinite().all()), None):
        raise InputError(
            f"the trained weights are no finite numbers ({wrong})",
            file=path,
            remedy="train again with a lower train.learning_rate, in another --out folder",
        )
    with written_or_told(path), replaced(path) as partial:
        save_file(kept, partial)
    write_description(path, {"sha256": file_sha256(path), **record})
    return path


def write_description(path: Path, record: Mapping[str, Any]) -> None:
    """Writes the JSON beside a file of tensors."""
    beside = path.with_suffix(".json")
    with written_or_told(beside), replaced(beside) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def tokenizer_record(tokenizer: Tokenizer, config: NavigationConfig) -> dict[str, Any]:
    """What ``tokenizer.json`` says of the encoder and its settings."""
    return {
        "trained_on": config.trained_on,
        "encoder": encoder_shape(tokenizer.encoder.vit),
        "settings": config.as_json(),
    }


def check_same(file: Path, identity: Mapping[str, Any], option: str) -> None:
    """Refuses a tokenizer that other settings or volumes have made.

    Args:
        file: ``tokenizer.safetensors``.
        identity: What it should have been made with; JSON values.
        option: The option that names its folder, for the error.

    Raises:
        InputError: It is another's, or its file is missing or damaged.
    """
    _, description = read_described(file, remedy=PRETRAINED)
    stored, wanted = description.get("identity"), json.loads(json.dumps(identity))
    if stored != wanted:
        raise InputError(
            f"a tokenizer of other settings or volumes{difference(stored, wanted)}",
            file=file,
            expected="the same encoder, clips, reconstruction, seed, steps and volumes",
            remedy=f"name another {option} folder",
        )


def copy_described(source: Path, target: Path) -> None:
    """Copies a file of tensors and its description; the latter last, so that it stands for both."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_or_told(target), replaced(target) as partial:
        partial.write_bytes(source.read_bytes())
    write_description(target, json.loads(source.with_suffix(".json").read_text(encoding="utf-8")))


def load_tokenizer(
    path: Path, taps: int = 1, device: str | torch.device = "cpu"
) -> tuple[Tokenizer, NavigationConfig]:
    """A trained tokenizer, in evaluation mode and without gradients, and its settings.

    Args:
        path: ``tokenizer.safetensors``, or the folder that holds it.
        taps: How many maps :meth:`Tokenizer.encode` gives: 4 for a segmentation head, 1 for the
            last alone.
        device: Where to.

    Raises:
        InputError: A file is missing, damaged, or something else.
    """
    file = path / TOKENIZER if path.is_dir() else path
    _, description = read_described(file, remedy=PRETRAINED)
    config = described_settings(file, description)
    encoder = dataclasses.replace(config.encoder, weights=f"{NAVIGATION}{file}")
    tokenizer = Tokenizer(encoder, config.images, taps)
    return tokenizer.to(device).eval().requires_grad_(False), config


@dataclass(frozen=True)
class Trained:
    """A finished pre-training, in evaluation mode and without gradients.

    Attributes:
        tokenizer: The encoder.
        world: Dynamics and picture.
        config: The settings.
        held_out: Names of the patients whom no step has seen.
    """

    tokenizer: Tokenizer
    world: World
    config: NavigationConfig
    held_out: tuple[str, ...]

    def same_origin(self, volume: Volume) -> bool:
        """Whether a volume is of what it has learned from: digital patients, or people."""
        return volume.phantom == (self.config.trained_on == "phantom")

    def unseen(self, volume: Volume) -> bool:
        """Whether a volume is of a patient who was held out."""
        return volume.name in self.held_out and self.same_origin(volume)


def load_world(path: Path, device: str | torch.device = "cpu") -> Trained:
    """What a pre-training with dynamics has left.

    Args:
        path: The folder of ``tokenizer.safetensors`` and ``dynamics.safetensors``.
        device: Where to.

    Raises:
        InputError: A file is missing (an arm without dynamics), damaged, or they do not belong
            together.
    """
    tokenizer, _ = load_tokenizer(path, device=device)
    file = path / DYNAMICS
    state, description = read_described(file, remedy=TRAINED)
    config = described_settings(file, description)
    if description.get("tokenizer_sha256") != file_sha256(path / TOKENIZER):
        raise InputError("Learned with another tokenizer.", file=file, remedy=TRAINED)
    world = World(config, tokenizer.width)
    try:
        world.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"Not the dynamics of its description ({first_line(error)}).", file=file, remedy=TRAINED
        ) from error
    world = world.to(device).eval().requires_grad_(False)
    return Trained(tokenizer, world, config, tuple(description.get("held_out_patients", ())))


def described_settings(file: Path, description: Mapping[str, Any]) -> NavigationConfig:
    """The settings that the JSON beside a file holds.

    Raises:
        InputError: It holds none.
    """
    try:
        return checked(description["settings"], NavigationConfig)
    except (KeyError, TypeError, AttributeError, ValidationError, InputError) as error:
        raise InputError(
            f"{file.stem}.json holds no settings of a pre-training ({first_line(error)}).",
            file=file,
            remedy=TRAINED,
        ) from error
