"""The inference part of a trained student: what goes into a bundle (paper section 4.1.2).

DPT, projector, teacher and bank stay behind.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.build import build_system
from MRNLib.models.mrn import inference_state
from MRNLib.models.system import System
from MRNLib.training.checkpoint import written_or_told
from MRNLib.training.config import parse_config
from MRNLib.writing import replaced

Precision = Literal["fp32", "fp16"]


def inference_tensors(model: System, precision: Precision = "fp32") -> dict[str, Tensor]:
    """The model's tensors without the auxiliary modules, on the CPU."""
    kind = torch.float16 if precision == "fp16" else torch.float32
    return {
        name: tensor.detach().cpu().to(kind if tensor.is_floating_point() else tensor.dtype).clone()
        for name, tensor in inference_state(model.state_dict()).items()
    }


def export_fold(
    model: System,
    folder: Path,
    fold: int,
    record: Mapping[str, Any],
    precision: Precision = "fp32",
) -> Path:
    """Writes ``fold_N.safetensors`` and ``fold_N.json`` (model config and training record).

    Args:
        model: The student at the end of its training.
        folder: Where to.
        fold: Number of the fold.
        record: What the training was: settings, patients, metrics; JSON values.
        precision: ``fp16`` halves the file; weights are widened again when read.

    Raises:
        InputError: A weight is no finite number (in ``precision``), or a file cannot be written.
    """
    target = folder / f"fold_{fold}.safetensors"
    tensors = inference_tensors(model, precision)
    if wrong := next((name for name, one in tensors.items() if not one.isfinite().all()), None):
        raise InputError(
            f"the trained weights are no finite numbers ({wrong})",
            file=target,
            remedy="train again with lower train.lr_backbone and train.lr_heads",
        )
    with written_or_told(target), replaced(target) as partial:
        save_file(tensors, partial)
    description = {"model": dataclasses.asdict(model.config.for_inference()), **record}
    target_json = target.with_suffix(".json")
    with written_or_told(target_json), replaced(target_json) as partial:
        partial.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return target


def load_exported(path: Path) -> System:
    """The inference model of an exported fold, in evaluation mode and fp32.

    Args:
        path: ``fold_N.safetensors``; ``fold_N.json`` beside it says which system it is.

    Raises:
        InputError: Either file is missing or damaged, or they do not belong together.
    """
    description = path.with_suffix(".json")
    try:
        model = json.loads(description.read_text(encoding="utf-8"))["model"]
        system = build_system(parse_config({"model": model}).model, pretrained=False)
        state = {name: one.float() for name, one in load_file(path).items()}
        system.load_state_dict(state)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"is not an exported fold ({str(error).splitlines()[0]})",
            file=path,
            expected="fold_N.safetensors with its fold_N.json beside it",
            remedy="train the fold again; the same command goes on from its checkpoint",
        ) from error
    return system.eval()
