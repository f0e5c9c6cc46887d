"""nnU-Net's commands, called as a user would call them, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MRNLib.errors import BundleError, InputError
from MRNLib.nnunet.dataset import Split
from MRNLib.nnunet.plans import (
    CONFIGURATION,
    FULL_PLANS,
    FULL_TRAINER,
    TINY_PLANS,
    TINY_TRAINER,
    TinyPlan,
    tiny_plans,
)

# Each command's entry point, run with this interpreter: its scripts need not be on the PATH.
ENTRY_POINTS = {
    "nnUNetv2_extract_fingerprint": (
        "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints:extract_fingerprint_entry"
    ),
    "nnUNetv2_plan_experiment": (
        "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints:plan_experiment_entry"
    ),
    "nnUNetv2_preprocess": (
        "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints:preprocess_entry"
    ),
    "nnUNetv2_train": "nnunetv2.run.run_training:run_training_entry",
    "nnUNetv2_predict": "nnunetv2.inference.predict_from_raw_data:predict_entry_point",
}
TRAINERS = Path(__file__).parent / "trainers"


@dataclass(frozen=True)
class Workspace:
    """nnU-Net's three folders below one root, and how many processes its commands may start."""

    root: Path
    processes: int = 1

    @property
    def raw(self) -> Path:
        """``nnUNet_raw``."""
        return self.root / "raw"

    def environment(self) -> dict[str, str]:
        """The environment of nnU-Net's commands; this process's own is left as it is."""
        return os.environ | {
            "nnUNet_raw": str(self.raw),
            "nnUNet_preprocessed": str(self.root / "preprocessed"),
            "nnUNet_results": str(self.root / "results"),
            "nnUNet_extTrainer": str(TRAINERS),
            "nnUNet_def_n_proc": str(self.processes),
            "nnUNet_n_proc_DA": str(self.processes),
        }

    def results_folder(self, dataset: str, tiny: bool) -> Path:
        """Where a training's ``plans.json`` and ``fold_N`` lie."""
        trainer, plans = (TINY_TRAINER, TINY_PLANS) if tiny else (FULL_TRAINER, FULL_PLANS)
        return self.root / "results" / dataset / f"{trainer}__{plans}__{CONFIGURATION}"


def run(workspace: Workspace, command: str, *arguments: str, **settings: str) -> None:
    """Runs one of nnU-Net's commands, with further environment variables, and waits for it.

    Raises:
        InputError: It failed; its own output stands above.
    """
    module, function = ENTRY_POINTS[command].split(":")
    # sys.argv[0] is the command's name, so that its own messages name it.
    code = (
        f"import sys; sys.argv = {[command, *arguments]!r}; from {module} import {function}; "
        f"{function}()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], env=workspace.environment() | settings, check=False
    )
    if finished.returncode:
        raise InputError(
            f"{command} {' '.join(arguments)} ended with code {finished.returncode}",
            remedy="see its output above",
        )


def plan_and_preprocess(workspace: Workspace, dataset: str, tiny: TinyPlan | None) -> None:
    """nnU-Net's fingerprint, plan and preprocessing of one raw dataset.

    Args:
        workspace: nnU-Net's folders.
        dataset: ``Dataset505_PDSegQSM``.
        tiny: The small plan, or None for nnU-Net's own.

    Raises:
        InputError: One of nnU-Net's commands failed.
    """
    number, processes = dataset[7:10], str(workspace.processes)
    run(workspace, "nnUNetv2_extract_fingerprint", "-d", number, "-np", processes)
    run(workspace, "nnUNetv2_plan_experiment", "-d", number)
    name = FULL_PLANS
    if tiny is not None:
        name = TINY_PLANS
        folder = workspace.root / "preprocessed" / dataset
        plans = json.loads((folder / f"{FULL_PLANS}.json").read_text(encoding="utf-8"))
        text = json.dumps(tiny_plans(plans, tiny), indent=1)
        (folder / f"{TINY_PLANS}.json").write_text(text, encoding="utf-8")
    options = ("-plans_name", name, "-c", CONFIGURATION, "-np", processes)
    run(workspace, "nnUNetv2_preprocess", "-d", number, *options)


def write_split(workspace: Workspace, dataset: str, splits: Sequence[Split]) -> None:
    """Gives nnU-Net our folds (its ``splits_final.json``) in place of its own."""
    text = json.dumps([{"train": train, "val": val} for train, val in splits], indent=1)
    _split_file(workspace, dataset).write_text(text, encoding="utf-8")


def require_split(workspace: Workspace, dataset: str, splits: Sequence[Split]) -> None:
    """Refuses other folds than those that networks were trained in: none would be held out.

    Raises:
        InputError: Folds are trained, or begun, and who is held out would change.
    """
    begun = sorted((workspace.root / "results" / dataset).glob("*/fold_*/checkpoint_*.pth"))
    if begun and read_split(workspace, dataset) != [
        (list(kept), list(out)) for kept, out in splits
    ]:
        raise InputError(
            f"folds of other cases are trained here already, such as {begun[0].parent}",
            file=_split_file(workspace, dataset),
            expected="the same cases and --validation as then",
            remedy="name another --work folder, or delete the trained folds",
        )


def read_split(workspace: Workspace, dataset: str) -> list[Split]:
    """Which cases train and which are held out in each fold.

    Raises:
        InputError: The dataset was not prepared here.
    """
    path = _split_file(workspace, dataset)
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))
        return [(fold["train"], fold["val"]) for fold in folds]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the folds cannot be read ({error})",
            file=path,
            remedy="prepare the dataset first, or name its --work folder",
        ) from error


def held_out_by(workspace: Workspace, dataset: str, folds: Sequence[int | str]) -> dict[str, int]:
    """For each case the place in ``folds`` of the one that was not trained on it.

    Args:
        workspace: Where they were trained.
        dataset: ``Dataset505_PDSegQSM``.
        folds: The trained folds of a segmenter, as its settings name them.

    Raises:
        InputError: The dataset was not prepared here.
        BundleError: A fold is not one of the dataset's.
    """
    split = read_split(workspace, dataset)
    found: dict[str, int] = {}
    for place, fold in enumerate(folds):
        if not isinstance(fold, int) or fold >= len(split):
            raise BundleError(f"fold {fold} is not one of the {len(split)} of {dataset}'s split")
        found |= dict.fromkeys(split[fold][1], place)
    return found


def _split_file(workspace: Workspace, dataset: str) -> Path:
    return workspace.root / "preprocessed" / dataset / "splits_final.json"


def require_scale(workspace: Workspace, dataset: str, *, tiny: bool) -> None:
    """Refuses a dataset that was prepared with the other ``--scale`` alone.

    Raises:
        InputError: It was.
    """
    folder = workspace.root / "preprocessed" / dataset
    scales = {"full": FULL_PLANS, "tiny": TINY_PLANS}
    there = [
        scale for scale, name in scales.items() if (folder / f"{name}_{CONFIGURATION}").is_dir()
    ]
    asked = "tiny" if tiny else "full"
    if there and asked not in there:
        raise InputError(
            f"{dataset} was prepared with --scale {there[0]}, and not with --scale {asked}",
            file=workspace.root,
            remedy=f"give --scale {there[0]}, or prepare it again with --scale {asked}",
        )


def require_fold(workspace: Workspace, dataset: str, fold: int, *, tiny: bool) -> None:
    """Refuses a training that nnU-Net could not start, or would start otherwise than meant.

    Raises:
        InputError: The dataset is not prepared, not with this scale, or has no such fold.
    """
    folds = len(read_split(workspace, dataset))
    if fold >= folds:
        # nnU-Net would draw a split of its own, and train on those that are held out here.
        raise InputError(f"--fold {fold} of {dataset}", expected=f"0 to {folds - 1}")
    require_scale(workspace, dataset, tiny=tiny)


def train(workspace: Workspace, dataset: str, fold: int, *, tiny: bool, device: str) -> Path:
    """Trains one fold; goes on from the latest checkpoint if there is one.

    Returns:
        The results folder, with ``fold_N/checkpoint_final.pth``.

    Raises:
        InputError: As for :func:`require_fold`, or nnU-Net's command failed.
    """
    require_fold(workspace, dataset, fold, tiny=tiny)
    results = workspace.results_folder(dataset, tiny)
    trainer, plans, _ = results.name.split("__")
    options = ["-tr", trainer, "-p", plans, "-device", device]
    if any((results / f"fold_{fold}").glob("checkpoint_*.pth")):
        options.append("--c")
    # Augmentation in the training process itself unless there are cores to spare.
    augmenters = str(workspace.processes if workspace.processes > 2 else 0)
    arguments = (dataset, CONFIGURATION, str(fold), *options)
    run(workspace, "nnUNetv2_train", *arguments, nnUNet_n_proc_DA=augmenters)
    return results
