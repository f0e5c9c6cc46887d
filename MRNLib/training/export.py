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
from safetensors.torch import load_file, save_file
from torch import Tensor

from MRNLib.models.config import MrnConfig
from MRNLib.models.mrn import Mrn, build, inference_state
from MRNLib.writing import replaced

Precision = Literal["fp32", "fp16"]


def inference_tensors(model: Mrn, precision: Precision = "fp32") -> dict[str, Tensor]:
    """The model's tensors without the auxiliary modules, on the CPU."""
    kind = torch.float16 if precision == "fp16" else torch.float32
    return {
        name: tensor.detach().cpu().to(kind if tensor.is_floating_point() else tensor.dtype).clone()
        for name, tensor in inference_state(model.state_dict()).items()
    }


def export_fold(
    model: Mrn,
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
    """
    target = folder / f"fold_{fold}.safetensors"
    with replaced(target) as partial:
        save_file(inference_tensors(model, precision), partial)
    description = {"model": dataclasses.asdict(model.config.for_inference()), **record}
    with replaced(target.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return target


def load_exported(path: Path, config: MrnConfig) -> Mrn:
    """The inference model of an exported fold, in evaluation mode and fp32."""
    model = build(config.for_inference(), pretrained=False)
    model.load_state_dict({name: one.float() for name, one in load_file(path).items()})
    return model.eval()
