#!/usr/bin/env python
"""Trains one fold of MRN, or of a system it is compared with, from crops; or goes on with it.

    train_mrn.py --config Training/configs/phantom-tiny.yaml --data CROPS --fold 0 --folds 3
                 --out OUT [--set train.seed=2 ...] [--device cuda] [--threads 1] [--limit 1200]
    torchrun --nproc_per_node=2 Training/train_mrn.py ...          on two GPUs of this machine

OUT/fold_N holds metrics.jsonl (and tensorboard/, where that is installed), the checkpoint, and at
the end fold_N.safetensors with fold_N.json. Ctrl-C and SIGTERM save first; after these, and after a
kill, the same command goes on exactly where it was.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path

from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT
from MRNLib.cli.longwork import shown_progress
from MRNLib.cli.run import GOES_ON, exit_code
from MRNLib.errors import Cancelled, InputError


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    if int(os.environ.get("RANK", "0")) == 0:
        return exit_code(lambda: _train(options), stopped=GOES_ON)
    try:
        _train(options)
    except Cancelled:
        return EXIT_CANCELLED
    except InputError:
        return EXIT_INPUT  # what is wrong is wrong for all processes, and the first one says it
    return 0


def _train(options: argparse.Namespace) -> None:
    import torch

    from MRNLib.training.config import load_config
    from MRNLib.training.data import load_folder
    from MRNLib.training.distributed import joined, own_device
    from MRNLib.training.trainer import Trainer

    torch.set_num_threads(options.threads)
    config = load_config(options.config, options.set)
    if not 0 <= options.fold < options.folds:
        raise InputError(f"--fold {options.fold} of --folds {options.folds} does not exist")
    patients = load_folder(options.data, options.limit)
    device = own_device(options.device)
    with joined(device) as group, shown_progress(group.leads) as progress:
        trainer = Trainer(
            config,
            patients,
            options.out / f"fold_{options.fold}",
            fold=options.fold,
            folds=options.folds,
            device=device,
            progress=progress,
            group=group,
        )
        written = trainer.run()
    if group.leads:
        print(f"written: {written}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML settings")
    parser.add_argument("--data", type=Path, required=True, help="crops of prepare_crops.py")
    parser.add_argument("--fold", type=int, default=0, help="which fold is held out, from 0")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=VALUE")
    parser.add_argument("--limit", type=int, help="use the first so many patients only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    return parser


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # timm's, of torch
    warnings.filterwarnings("ignore", message="Grad strides do not match")  # of 1x1 convolutions
    sys.exit(main())
