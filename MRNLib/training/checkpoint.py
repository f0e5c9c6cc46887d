"""Training state on disk: one safetensors file with JSON in its header, moved into place.

One file, because two could be torn apart by a kill between their writes. Optimizer moments, bank,
teacher and random states are all tensors; counters and settings are the JSON. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    """Writes tensors and JSON state; a killed run leaves the old file."""
    detached = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as partial:
        save_file(detached, partial, metadata={_META: json.dumps(state)})


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
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise InputError(
            "is not a training checkpoint of MRN",
            file=path,
            remedy="delete it to start this fold again",
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
        on_device = value if entry == "step" else value.to(parameter.device)
        optimizer.state[parameter][entry] = on_device.clone()


def random_tensors() -> dict[str, Tensor]:
    """torch's random states (CPU and, where there is one, GPU) as tensors."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random(states: Mapping[str, Tensor]) -> None:
    """Puts back what :func:`random_tensors` gave; a GPU state is ignored where there is no GPU."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
