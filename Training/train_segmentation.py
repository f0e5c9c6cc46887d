#!/usr/bin/env python
"""Trains the nnU-Nets that outline the nuclei, and turns the result into the form a bundle holds.

In three steps; COHORT has the challenge's layout:

    python Training/train_segmentation.py prepare --data COHORT --work WORK
    python Training/train_segmentation.py train --work WORK --fold 0 --fold 1
    python Training/train_segmentation.py import --work WORK --out OUT

Training goes on where it was stopped. --scale full is the paper's: nnU-Net's own plan, 250 epochs,
no mirroring. --scale tiny is a narrow network for a machine without a GPU; give it to every step.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from MRNLib.cases import read_cohort
from MRNLib.cli.run import GOES_ON, run_script, script_app
from MRNLib.errors import InputError
from MRNLib.nnunet import commands
from MRNLib.nnunet.commands import Workspace
from MRNLib.nnunet.dataset import dataset_name, splits, write_raw_dataset
from MRNLib.nnunet.plans import TINY, TinyPlan

Scale = Literal["full", "tiny"]


class Modality(StrEnum):
    """Which volume is outlined; an enumeration, since typer takes no list of literals."""

    QSM = "QSM"
    NM = "NM"


BOTH = [Modality.NM, Modality.QSM]
FIRST_FOLD = [0]
CORES = os.cpu_count() or 1


def segmentation(
    step: Annotated[
        Literal["prepare", "train", "import"], typer.Argument(help="What to do, in this order.")
    ],
    work: Annotated[Path, typer.Option(help="nnU-Net's folders go below this.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="COHORT", help="To prepare: the challenge's folder layout."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="To import: segmenter_qsm and segmenter_nm go here.")
    ] = None,
    modality: Annotated[
        list[Modality], typer.Option(help="Which of the two; can be repeated.")
    ] = BOTH,
    with_t1: Annotated[
        bool, typer.Option("--with-t1", help="Give the QSM network T1 as well.")
    ] = False,
    scale: Annotated[Scale, typer.Option(help="Size of the networks, see above.")] = "full",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Length of a tiny training, set when preparing.")
    ] = None,
    validation: Annotated[
        int | None, typer.Option(help="Hold out this many last cases instead of five folds.")
    ] = None,
    fold: Annotated[
        list[int], typer.Option(help="Which fold to train; can be repeated.")
    ] = FIRST_FOLD,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to train.")] = "cuda",
    processes: Annotated[int, typer.Option(min=1, help="Processes that prepare.")] = CORES,
    fp32: Annotated[bool, typer.Option("--fp32", help="Import in fp32 rather than fp16.")] = False,
) -> None:
    """Does one step for each modality."""
    workspace = Workspace(work.resolve(), processes)
    for one in modality:
        if step == "prepare":
            channels: list[str] = [one, "T1"] if one is Modality.QSM and with_t1 else [one]
            plan = _tiny(one, epochs) if scale == "tiny" else None
            _prepare(workspace, one, data, channels, plan, validation)
        elif step == "train":
            _train(workspace, one, fold, scale, device)
        else:
            _import(workspace, one, out, scale, fp32)


def _tiny(modality: Modality, epochs: int | None) -> TinyPlan:
    plan = TINY[modality]
    if epochs is None:
        return plan
    return replace(plan, schedule=replace(plan.schedule, epochs=epochs))


def _prepare(
    workspace: Workspace,
    modality: Modality,
    data: Path | None,
    channels: list[str],
    plan: TinyPlan | None,
    validation: int | None,
) -> None:
    if data is None:
        raise InputError("prepare needs a cohort", remedy="give --data COHORT")
    raw = write_raw_dataset(read_cohort(data), modality, channels, workspace.raw, progress=_say)
    if note := raw.left_out_note():
        print(note, flush=True)
    # Said before nnU-Net's long preprocessing: too few cases for the folds.
    split = splits(raw.cases, validation)
    dataset = dataset_name(modality)
    commands.plan_and_preprocess(workspace, dataset, plan)
    commands.write_split(workspace, dataset, split)


def _train(
    workspace: Workspace, modality: Modality, folds: list[int], scale: Scale, device: str
) -> None:
    for fold in folds:
        results = commands.train(
            workspace, dataset_name(modality), fold, tiny=scale == "tiny", device=device
        )
        print(f"{modality}, fold {fold}: {results}", flush=True)


def _import(
    workspace: Workspace, modality: Modality, out: Path | None, scale: Scale, fp32: bool
) -> None:
    from MRNLib.segmentation import import_nnunet_results

    if out is None:
        raise InputError("import needs a target folder", remedy="give --out OUT")
    results = workspace.results_folder(dataset_name(modality), scale == "tiny")
    target = out / f"segmenter_{modality.lower()}"
    import_nnunet_results(results, target, full_precision=fp32)
    print(f"{modality}: {target}", flush=True)


def _say(fraction: float, message: str) -> None:
    print(f"{100 * fraction:3.0f} % {message}", flush=True)


app = script_app(segmentation, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
