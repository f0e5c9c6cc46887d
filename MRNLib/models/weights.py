"""Reading a file of weights without running what it contains.

Apart from the models that read one: the settings name M3D-CLIP, and a mistake in them is told
sooner where timm, which the DINOv2 backbone needs, is not imported first.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from MRNLib.errors import InputError

TOKENIZER = "tokenizer.safetensors"
PRETRAINED = (
    "give the tokenizer.safetensors that Training/pretrain_navigation.py wrote, with its "
    "tokenizer.json beside it, or their folder"
)


def read_weights(path: Path, *, remedy: str, expected: str | None = None) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` or ``.pth`` file, read without running what it contains.

    timm's own reader of a local file unpickles it in full (``weights_only=False`` up to 1.0.22), so
    the file is read here and handed to timm as tensors.

    Args:
        path: The file.
        remedy: What an error tells the user to do: where this model's weights are to be had.
        expected: What else than a path there could be, for a path that is no file.

    Raises:
        InputError: no such file, or not a file of tensors only.
    """
    if not path.is_file():
        raise InputError("No such weights file.", file=path, expected=expected, remedy=remedy)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
    ) as error:
        raise InputError(
            f"Not a weights file that can be read safely ({first_line(error)}).",
            file=path,
            expected="a .pth or .safetensors file that holds tensors only",
            remedy=remedy,
        ) from error
    if not isinstance(state, dict) or not state:
        raise InputError("Holds no named tensors.", file=path, remedy=remedy)
    return dict(state)


def read_described(path: Path, *, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file of slice navigation and the JSON beside it, which belong together.

    Args:
        path: The file of tensors; its description has the same name and ends in ``.json``.
        remedy: What an error tells the user to do.

    Raises:
        InputError: Either is missing or damaged, they do not belong together, or a value is not
            finite.
    """
    state = read_weights(path, remedy=remedy)
    try:
        description = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        expected = description["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Its description {path.stem}.json is missing or damaged ({type(error).__name__}).",
            file=path,
            remedy=remedy,
        ) from error
    if file_sha256(path) != expected:
        raise InputError(f"Not the file that {path.stem}.json describes.", file=path, remedy=remedy)
    wrong = next((name for name, one in state.items() if not one.isfinite().all()), None)
    if wrong is not None:
        raise InputError(f"Holds values that are not finite ({wrong}).", file=path, remedy=remedy)
    return state, description


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def first_line(error: BaseException) -> str:
    """What an error says, in one line a person can read."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) if lines else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
