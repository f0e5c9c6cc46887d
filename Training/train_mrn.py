#!/usr/bin/env python
"""Trains one fold of MRN, or of a system it is compared with; or goes on with it.

One of five folds on a cohort in the challenge's layout, into runs/paper:

    python Training/train_mrn.py --config Training/configs/paper.yaml \\
        --data COHORT --fold 0

A cohort (volumes, masks, labels.csv) is cut first, once, into crops in OUT/crops/data. From crops
that were cut before, one of three folds:

    python Training/train_mrn.py --config Training/configs/phantom-tiny.yaml \\
        --data runs/crops --fold 0 --folds 3 --out runs/mrn

On two GPUs of this machine:

    torchrun --nproc_per_node=2 Training/train_mrn.py ...

OUT/fold_N holds metrics.jsonl (and tensorboard/, where that is installed), the checkpoint, and at
the end fold_N.safetensors with fold_N.json. Ctrl-C and SIGTERM save first; after these, and after a
kill, the same command goes on exactly where it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.run import GOES_ON, run_script, script_app
from MRNLib.cli.training import Config, Data, Device, Settings, Threads, ready_crops
from MRNLib.errors import InputError


def train(
    config: Config,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the training's own folder, fold_N; else runs/CONFIG's name."),
    ] = None,
    fold: Annotated[int, typer.Option(help="Which fold is held out, from 0.")] = 0,
    folds: Annotated[int, typer.Option(min=2, help="How many folds there are.")] = 5,
    settings: Settings = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use the first so many patients; by default all.")
    ] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Trains one fold."""
    import torch

    from MRNLib.training.config import load_config

    torch.set_num_threads(threads)
    read = load_config(config, settings or ())
    if not 0 <= fold < folds:
        raise InputError(f"--fold {fold} of --folds {folds} does not exist")
    # Only now, since it takes seconds: mistakes in what was typed have been told.
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.training.cohortcrops import CROPS
    from MRNLib.training.data import load_folder
    from MRNLib.training.distributed import joined, own_device, rank_here
    from MRNLib.training.trainer import Trainer

    if out is None:
        out = Path("runs", config.stem)
    where = own_device(device)
    crops = ready_crops(data, out / CROPS / "data", limit=limit, cuts=rank_here() == 0)
    patients = load_folder(crops, limit)
    with joined(where) as group, shown_progress(group.leads) as progress:
        trainer = Trainer(
            read,
            patients,
            out / f"fold_{fold}",
            fold=fold,
            folds=folds,
            device=where,
            progress=progress,
            group=group,
        )
        before = trainer.finished
        written = trainer.run()
    if not group.leads:
        return
    if before:
        print("This training was already finished; nothing was trained.")
    if figures := trainer.held_out_figures():
        print(
            f"{len(trainer.split.held_out)} held-out patients, last epoch: "
            f"AUC {figures['auc']:.3f}, accuracy {figures['accuracy']:.3f}"
        )
    print(f"written: {written}")


app = script_app(train, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    leads = int(os.environ.get("RANK", "0")) == 0  # of the processes that torchrun started
    return run_script(app, arguments, GOES_ON, speaks=leads)


if __name__ == "__main__":
    sys.exit(main())
