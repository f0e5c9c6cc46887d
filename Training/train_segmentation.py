#!/usr/bin/env python
"""Trains the nnU-Nets that outline the nuclei, and turns the result into the form a bundle holds.

    train_segmentation.py prepare --data COHORT --work WORK [--modality QSM NM] [--scale tiny|full]
    train_segmentation.py train   --work WORK [--scale ...] [--fold 0 1 2 3 4] [--device cpu]
    train_segmentation.py import  --work WORK --out OUT [--scale ...] [--fp32]

`train` goes on where it was stopped. COHORT has the challenge's layout. `--scale full` is the
paper's: nnU-Net's own plan, 250 epochs, no mirroring. `--scale tiny` is a narrow network for a
machine without a GPU.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from MRNLib.cases import read_cohort
from MRNLib.cli.run import GOES_ON, exit_code
from MRNLib.errors import InputError
from MRNLib.nnunet import commands
from MRNLib.nnunet.commands import Workspace
from MRNLib.nnunet.dataset import dataset_name, splits, write_raw_dataset
from MRNLib.nnunet.plans import TINY, TinyPlan


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    workspace = Workspace(options.work.resolve(), options.processes)
    step = {"prepare": _prepare, "train": _train, "import": _import}[options.step]

    def run() -> None:
        for modality in options.modality:
            step(workspace, modality, options)

    return exit_code(run, stopped=GOES_ON)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("prepare", "train", "import"))
    parser.add_argument("--data", type=Path, metavar="COHORT", help="the challenge's folder layout")
    parser.add_argument("--work", type=Path, required=True, help="nnU-Net's folders go below this")
    parser.add_argument("--out", type=Path, help="segmenter_qsm and segmenter_nm go here")
    parser.add_argument("--modality", nargs="+", choices=("QSM", "NM"), default=["NM", "QSM"])
    parser.add_argument("--with-t1", action="store_true", help="give the QSM network T1 as well")
    parser.add_argument("--scale", choices=("full", "tiny"), default="full")
    parser.add_argument("--epochs", type=int, help="length of a tiny training")
    parser.add_argument("--validation", type=int, help="hold out this many last cases, not folds")
    parser.add_argument("--fold", type=int, nargs="+", default=[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fp32", action="store_true", help="import in fp32 rather than fp16")
    return parser


def _tiny(modality: str, options: argparse.Namespace) -> TinyPlan | None:
    if options.scale != "tiny":
        return None
    plan = TINY[modality]
    if options.epochs is None:
        return plan
    return replace(plan, schedule=replace(plan.schedule, epochs=options.epochs))


def _prepare(workspace: Workspace, modality: str, options: argparse.Namespace) -> None:
    if options.data is None:
        raise InputError("prepare needs a cohort", remedy="give --data COHORT")
    cases = read_cohort(options.data)
    channels = [modality, "T1"] if modality == "QSM" and options.with_t1 else [modality]
    raw = write_raw_dataset(cases, modality, channels, workspace.raw, progress=_say)
    if note := raw.left_out_note():
        print(note, flush=True)
    # Said before nnU-Net's long preprocessing: too few cases for the folds.
    split = splits(raw.cases, options.validation)
    dataset = dataset_name(modality)
    commands.plan_and_preprocess(workspace, dataset, _tiny(modality, options))
    commands.write_split(workspace, dataset, split)


def _train(workspace: Workspace, modality: str, options: argparse.Namespace) -> None:
    for fold in options.fold:
        results = commands.train(
            workspace,
            dataset_name(modality),
            fold,
            tiny=options.scale == "tiny",
            device=options.device,
        )
        print(f"{modality}, fold {fold}: {results}", flush=True)


def _import(workspace: Workspace, modality: str, options: argparse.Namespace) -> None:
    from MRNLib.segmentation import import_nnunet_results

    if options.out is None:
        raise InputError("import needs a target folder", remedy="give --out OUT")
    results = workspace.results_folder(dataset_name(modality), options.scale == "tiny")
    target = options.out / f"segmenter_{modality.lower()}"
    import_nnunet_results(results, target, full_precision=options.fp32)
    print(f"{modality}: {target}", flush=True)


def _say(fraction: float, message: str) -> None:
    print(f"{100 * fraction:3.0f} % {message}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
