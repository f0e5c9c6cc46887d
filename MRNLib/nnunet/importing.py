"""nnU-Net's training results, once, into the form a bundle holds.

nnU-Net's checkpoints are pickles. They are read here with ``weights_only=True`` and nothing but
numpy's scalars and float types allowed beside torch's own; there is no other way in. At run time
only what this module wrote is read.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from MRNLib.errors import BundleError
from MRNLib.nnunet import stored
from MRNLib.nnunet.checked import check_plans
from MRNLib.writing import replaced_folder

CHECKPOINT = "checkpoint_final.pth"


def import_nnunet_results(
    results_folder: str | Path,
    destination: str | Path,
    *,
    full_precision: bool = False,
    checkpoint: str = CHECKPOINT,
    folds: Collection[int] | None = None,
) -> Path:
    """Writes a segmenter folder from an nnU-Net results folder; what was there is replaced.

    Args:
        results_folder: ``nnUNet_results/DatasetXXX_Name/Trainer__Plans__configuration`` with
            ``fold_N``.
        destination: The segmenter folder to write.
        full_precision: Store float32; float16 halves the size.
        checkpoint: Which of nnU-Net's checkpoints.
        folds: Which folds make the ensemble; by default all that are trained.

    Raises:
        BundleError: A fold or another file is missing, holds more than numbers, or does not fit its
            plan.
    """
    import torch
    from safetensors.torch import save

    results, target = Path(results_folder), Path(destination)
    files = checkpoints(results, checkpoint, folds)
    plans = stored.read_json(results / stored.PLANS)
    dataset = stored.read_json(results / stored.DATASET)
    contents = [_read_checkpoint(file) for file in files.values()]
    configuration = contents[0]["init_args"]["configuration"]
    check_plans(plans, configuration, results / stored.PLANS)
    dtype = torch.float32 if full_precision else torch.float16
    network = stored.build_network(plans, dataset, configuration, results)
    with replaced_folder(target) as folder:
        for (fold, file), content in zip(files.items(), contents, strict=True):
            state = _fitting(network, content["network_weights"], file)
            tensors = {name: value.to(dtype).contiguous() for name, value in state.items()}
            # Not save_file(), which makes files that only their owner may read.
            (folder / stored.fold_file(fold)).write_bytes(save(tensors))
        settings = stored.Settings(
            configuration=configuration,
            folds=tuple(files),
            trainer=str(contents[0]["trainer_name"]),
            precision="fp32" if full_precision else "fp16",
        )
        _write_json(folder / stored.PLANS, plans)
        _write_json(folder / stored.DATASET, dataset)
        _write_json(folder / stored.SETTINGS, settings.model_dump(mode="json"))
        stored.load(folder)  # what cannot be read back is not put into place
    return target


def checkpoints(
    results: Path, checkpoint: str = CHECKPOINT, folds: Collection[int] | None = None
) -> dict[int | str, Path]:
    """The checkpoint of each fold; arguments as of :func:`import_nnunet_results`.

    Raises:
        BundleError: No fold is trained, or not one of those asked for.
    """
    found: dict[int | str, Path] = {}
    for file in sorted(results.glob(f"fold_*/{checkpoint}")):
        name = file.parent.name.removeprefix("fold_")
        if re.fullmatch(r"\d+|all", name):
            found[int(name) if name.isdigit() else name] = file
    if not found:
        raise BundleError(
            f"no fold_N/{checkpoint} in it",
            file=results,
            expected="an nnU-Net results folder, DatasetXXX_Name/Trainer__Plans__configuration, "
            "of a finished training",
            remedy="finish the training first, or name the right folder",
        )
    if folds is None:
        return found
    if missing := sorted(set(folds).difference(found)):
        raise BundleError(
            f"fold {', '.join(map(str, missing))} is not trained to its end",
            file=results,
            expected=f"one of fold {', '.join(map(str, found))}",
        )
    return {fold: found[fold] for fold in sorted(folds)}


def _allowed_globals() -> list[Any]:
    """What nnU-Net's training log holds beside plain numbers: numpy scalars and their types."""
    import numpy as np
    from numpy._core import multiarray

    floats = [np.dtypes.Float16DType, np.dtypes.Float32DType, np.dtypes.Float64DType]
    return [
        multiarray.scalar,
        (multiarray.scalar, "numpy.core.multiarray.scalar"),
        np.dtype,
        *floats,
    ]


def _read_checkpoint(file: Path) -> dict[str, Any]:
    import torch

    try:
        with torch.serialization.safe_globals(_allowed_globals()):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(
            f"not read: {reason[:200]}",
            file=file,
            expected="an nnU-Net checkpoint that holds numbers only",
            remedy="do not use this file unless you know who made it",
        ) from error
    wanted = ("network_weights", "init_args", "trainer_name")
    if not isinstance(content, dict) or any(key not in content for key in wanted):
        raise BundleError("not an nnU-Net checkpoint", file=file)
    return content


def _fitting(network: Any, weights: Any, file: Path) -> dict[str, Any]:
    """The network's tensors from a checkpoint, each once.

    Raises:
        BundleError: They are not the network's.
    """
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BundleError(
            f"the weights are not those of the plan's network ({str(error).splitlines()[0]})",
            file=file,
        ) from error
    return {
        name: tensor.detach().clone() for name, tensor in stored.unique_tensors(network).items()
    }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
