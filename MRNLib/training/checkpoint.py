"""Training state on disk: one safetensors file with JSON in its header, moved into place.

One file, because two could be torn apart by a kill between their writes. Optimizer moments, bank
and teacher are all tensors; counters and settings are the JSON. Nothing is pickled. There is no
random state to keep: every draw comes from the numbers of its step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from MRNLib.errors import InputError
from MRNLib.writing import replaced

_META = "mrn_training_state"


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Writes tensors and JSON state; a killed run leaves the old file.

    Raises:
        InputError: The file cannot be written (a full disk); the old one is as it was.
    """
    detached = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_or_told(path), replaced(path) as partial:
        save_file(detached, partial, metadata={_META: json.dumps(state)})


@contextmanager
def written_or_told(path: Path) -> Iterator[None]:
    """Turns a failure to write ``path`` into one error that says what is left and what to do."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"could not be written ({reason or error})",
            file=path,
            expected="room on the disk, and a folder that may be written",
            remedy="make room; the same command goes on from the last checkpoint, which is whole",
        ) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what :func:`write_checkpoint` wrote.

    Raises:
        InputError: The file is damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            state = json.loads(metadata[_META])
            return {name: stored.get_tensor(name) for name in stored.keys()}, state  # noqa: SIM118
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            "is not a training checkpoint of MRN",
            file=path,
            remedy="delete it to start this training again",
        ) from error


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with ``prefix.`` before their names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix.``, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: one for name, one in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """AdamW's moments and step counts as ``<parameter name>|<entry>`` tensors."""
    return {
        f"{name}|{entry}": torch.as_tensor(value).clone()
        for name, parameter in model.named_parameters()
        for entry, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Puts back what :func:`optimizer_tensors` gave."""
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, entry = key.rsplit("|", 1)
        parameter = parameters[name]
        # The fused kernel wants the step count beside the moments.
        optimizer.state[parameter][entry] = value.to(parameter.device).clone()
