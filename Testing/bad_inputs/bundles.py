"""Bundles that were tampered with or damaged: what is done to a good one, and what must be said.

The same damages are driven through the library and the command line.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

ENCODER = "mrn/fold_1.encoder.safetensors"
HEAD = "mrn/fold_1.head.safetensors"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Damage:
    """One way for a bundle to be bad.

    Attributes:
        name: Short name, the test's id.
        spoil: Does it to the bundle in a folder.
        said: What the message contains.
        file: The file the message names, relative to the bundle.
    """

    name: str
    spoil: Callable[[Path], None]
    said: str
    file: str


def restamp(folder: Path, name: str) -> None:
    """Makes the manifest agree with a changed file, as somebody who builds a bad bundle would."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    data = (folder / name).read_bytes()
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def flip_last_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def _replaced(name: str, data: bytes):
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(data)
        if name != MANIFEST:
            restamp(folder, name)

    return spoil


def _half(folder: Path) -> None:
    data = (folder / ENCODER).read_bytes()
    _replaced(ENCODER, data[: len(data) // 2])(folder)


def _tensors(change: Callable[[dict[str, Any]], None], name: str = ENCODER):
    def spoil(folder: Path) -> None:
        state = load_file(folder / name)
        change(state)
        save_file(state, folder / name)
        restamp(folder, name)

    return spoil


def _rename(state: dict[str, Any]) -> None:
    state["res.foreign"] = state.pop(next(iter(state)))


def _reshape(state: dict[str, Any]) -> None:
    key = next(key for key, value in state.items() if value.ndim == 2)
    state[key] = state[key].T.contiguous()[:-1]


def _poison(value: str):
    def change(state: dict[str, Any]) -> None:
        next(iter(state.values())).view(-1)[0] = float(value)

    return change


def _other_head(state: dict[str, Any]) -> None:
    state["classification_head.foreign"] = state.pop("classification_head.output.bias")


def _manifest(change: Callable[[dict[str, Any]], object]):
    def spoil(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        change(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return spoil


PICKLE = pickle.dumps({"weights": [1, 2, 3]})
DAMAGES = (
    Damage("hash", lambda folder: flip_last_bit(folder / ENCODER), "SHA-256 differs", ENCODER),
    Damage("missing", lambda folder: (folder / ENCODER).unlink(), "cannot be read", ENCODER),
    Damage("pickle", _replaced(ENCODER, PICKLE), "not a safetensors file", ENCODER),
    Damage("half", _half, "not a safetensors file", ENCODER),
    Damage("keys", _tensors(_rename), "do not fit the model", ENCODER),
    Damage("shapes", _tensors(_reshape), "do not fit the model", ENCODER),
    Damage("nan", _tensors(_poison("nan")), "NaN", ENCODER),
    Damage("infinity", _tensors(_poison("inf")), "infinity", ENCODER),
    Damage("head_keys", _tensors(_other_head, HEAD), "no classification head", HEAD),
    Damage("head_nan", _tensors(_poison("nan"), HEAD), "NaN", HEAD),
    Damage("manifest_pickle", _replaced(MANIFEST, PICKLE), "manifest is not valid", MANIFEST),
    Damage("manifest_key", _manifest(lambda m: m.update(surprise=1)), "surprise", MANIFEST),
    Damage(
        "model_key", _manifest(lambda m: m["model"]["backbone"].update(surprise=1)), "surprise",
        MANIFEST,
    ),
    Damage("no_folds", _manifest(lambda m: m.update(folds=[])), "there has to be a fold", MANIFEST),
    Damage(
        "foreign_fold", _manifest(lambda m: m.update(folds=[0, 5])), "fold 5 is listed without",
        MANIFEST,
    ),
    Damage(
        "no_shape", _manifest(lambda m: m["absent_roi_shapes"].pop("QSM3")), "absent QSM3", MANIFEST
    ),
)  # fmt: skip
