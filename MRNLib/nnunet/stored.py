"""A trained nnU-Net in a bundle: safetensors and JSON, checked before anything is built from it.

A folder holds ``plans.json`` and ``dataset.json`` as nnU-Net wrote them, ``settings.json`` and one
``fold_N.safetensors`` for each fold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from MRNLib.errors import BundleError
from MRNLib.nnunet.checked import check_plans

if TYPE_CHECKING:
    import torch

PLANS, DATASET, SETTINGS = "plans.json", "dataset.json", "settings.json"


class Settings(BaseModel):
    """``settings.json``: what nnU-Net keeps in its checkpoint rather than in the plan.

    Attributes:
        configuration: nnU-Net configuration the folds were trained in.
        folds: Trained folds; their outputs are averaged.
        trainer: Name of the trainer class, for the record; it is not needed to run the network.
        precision: How the weights are stored.
        tile_step_size: Step of the sliding window as a share of the patch.
        keep_largest: Labels of which only the largest connected part is kept, as chosen on
            validation (:mod:`MRNLib.challenge.postprocessing`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    configuration: str
    folds: tuple[int | str, ...]
    trainer: str
    precision: str = "fp16"
    tile_step_size: float = 0.5
    keep_largest: tuple[int, ...] = ()


@dataclass(frozen=True)
class StoredNetwork:
    """A network with the weights of all folds, ready for nnU-Net's predictor.

    Attributes:
        plans: nnU-Net's plans.
        dataset: nnU-Net's ``dataset.json``.
        settings: The rest.
        network: Built from the plan; holds the first fold's weights, eval mode, CPU.
        folds: Weights of each fold, float32.
    """

    plans: dict[str, Any]
    dataset: dict[str, Any]
    settings: Settings
    network: torch.nn.Module
    folds: tuple[dict[str, torch.Tensor], ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the input images, in order."""
        names = self.dataset["channel_names"]
        return tuple(names[key] for key in sorted(names, key=int))


def fold_file(fold: int | str) -> str:
    """Name of one fold's weights."""
    return f"fold_{fold}.safetensors"


def read_json(path: Path) -> Any:
    """One JSON file of a segmenter.

    Raises:
        BundleError: It is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"cannot be read as JSON ({error})",
            file=path,
            remedy="install the bundle again",
        ) from error


def load(folder: Path) -> StoredNetwork:
    """Reads a segmenter folder and builds its network.

    Raises:
        BundleError: A file is missing or damaged, names a class that is not allowed, or does not
            fit the plan.
    """
    plans, dataset = read_json(folder / PLANS), read_json(folder / DATASET)
    try:
        settings = Settings.model_validate(read_json(folder / SETTINGS))
    except ValidationError as error:
        raise BundleError(
            f"not the settings of a segmenter ({error.error_count()} wrong entries)",
            file=folder / SETTINGS,
            remedy="import the nnU-Net results again",
        ) from error
    _check_dataset(dataset, folder / DATASET)
    network = build_network(plans, dataset, settings.configuration, folder)
    folds = tuple(_load_fold(network, folder / fold_file(fold)) for fold in settings.folds)
    if not folds:
        raise BundleError("lists no trained fold", file=folder / SETTINGS)
    network.load_state_dict(folds[0], strict=False)
    return StoredNetwork(plans, dataset, settings, network.eval(), folds)


def build_network(
    plans: dict[str, Any], dataset: dict[str, Any], configuration: str, folder: Path
) -> torch.nn.Module:
    """The untrained network a plan describes, without deep supervision.

    Raises:
        BundleError: The plan names a class that is not allowed, or does not describe a network.
    """
    architecture = check_plans(plans, configuration, folder / PLANS)["architecture"]
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    try:
        heads = PlansManager(plans).get_label_manager(dataset).num_segmentation_heads
        return get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            len(dataset["channel_names"]),
            heads,
            allow_init=False,
            deep_supervision=False,
        )
    except Exception as error:  # a plan can be wrong in as many ways as the network has arguments
        raise BundleError(
            f"does not describe a network that can be built ({error})",
            file=folder / PLANS,
            remedy="import the nnU-Net results again",
        ) from error


def _check_dataset(dataset: Any, file: Path) -> None:
    """Refuses what is not a list of channels and of labels 0, 1, 2, ... without regions."""
    try:
        labels = sorted(dataset["labels"].values())
        channels = sorted(int(key) for key in dataset["channel_names"])
        ok = labels == list(range(len(labels))) and channels == list(range(len(channels)))
    except (KeyError, TypeError, AttributeError, ValueError):
        ok = False
    if not ok or not channels:
        raise BundleError(
            "not the dataset.json of a segmenter",
            file=file,
            expected="channel_names, and labels that are numbered from 0 without regions",
            remedy="import the nnU-Net results again",
        )


def unique_tensors(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Each tensor by its first name; nnU-Net's U-Nets list every layer several times."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _load_fold(network: torch.nn.Module, path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"not a safetensors file ({error})", file=path, remedy="install the bundle again"
        ) from error
    expected = {name: tuple(tensor.shape) for name, tensor in unique_tensors(network).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    if expected != shapes:
        names = expected.keys() | shapes.keys()
        wrong = sorted(name for name in names if expected.get(name) != shapes.get(name))
        raise BundleError(
            f"{len(wrong)} tensors do not fit the network of its plan; the first is {wrong[0]}",
            file=path,
            remedy="install the bundle again",
        )
    for name, tensor in found.items():
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise BundleError(f"tensor {name} is not made of finite numbers", file=path)
    return {name: tensor.float() for name, tensor in found.items()}
