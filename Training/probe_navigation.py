#!/usr/bin/env python
"""Measures what slice navigation has taught an encoder, and what that does for MRN.

What linear and DPT probes read from frozen features, of several pre-trainings at once (arms of
pretrain_navigation.py, and seeds of each); labelled digital patients are made as they are needed:

    python Training/probe_navigation.py probe \\
        --trained ALIGNED --trained ZEROED --volumes VOLUMES --out OUT

MRN with few labels behind frozen encoders, from crops of prepare_crops.py:

    python Training/probe_navigation.py labels \\
        --trained ALIGNED --trained STATIC \\
        --config Training/configs/phantom-tiny.yaml \\
        --data CROPS --test TEST_CROPS --out OUT

A whole MRN that train_mrn.py has trained, tested for the same page:

    python Training/probe_navigation.py finetuned --fold MRN/fold_0 \\
        --test TEST_CROPS --out OUT

The page with its tables and its figure, of all that is measured so far:

    python Training/probe_navigation.py report --measured OUT --out PAGE

OUT/cells holds one file for each measurement; a stopped or killed command goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from MRNLib.cli.run import GOES_ON, run_script, script_group
from MRNLib.cli.training import Config, Device, Settings, Threads, read_seeds
from MRNLib.errors import InputError

CORES = os.cpu_count() or 1

Trained = Annotated[
    list[Path],
    typer.Option(
        help="Folder of a finished pre-training, or a folder of such folders; can be repeated."
    ),
]
Out = Annotated[Path, typer.Option(help="Folder of the experiment; made if missing.")]
Test = Annotated[Path, typer.Option(help="Crops of patients to test on.")]
Amount = Annotated[
    list[str] | None,
    typer.Option(
        "--amount",
        metavar="KEY=VALUE",
        help='How much is measured, as in clips=6 (probe) or "sizes=[25, 50]" (labels); can be '
        "repeated.",
    ),
]

app = script_group(__doc__)


@app.command()
def probe(
    trained: Trained,
    volumes: Annotated[
        Path, typer.Option(help="Folder for labelled volumes; those missing are made.")
    ],
    out: Out,
    train: Annotated[
        str, typer.Option(metavar="FIRST:COUNT", help="Digital patients to learn probes from.")
    ] = "5000:60",
    test: Annotated[
        str, typer.Option(metavar="FIRST:COUNT", help="Digital patients to test them on.")
    ] = "6000000:40",
    amount: Amount = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make volumes.")] = CORES,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Probes frozen features for outlines, poses and planes."""
    import torch

    from MRNLib.cli.longwork import shown_progress
    from MRNLib.navigation.measuring.pretrainedarms import read_arms
    from MRNLib.navigation.measuring.probecells import measure_probes
    from MRNLib.navigation.measuring.probeclips import refuse_shared_patients
    from MRNLib.navigation.measuring.probing import ProbeSettings
    from MRNLib.training.distributed import own_device
    from MRNLib.training.settingsfile import checked, read_settings
    from MRNLib.training.sources import phantom_name
    from MRNLib.writing import require_folder

    torch.set_num_threads(threads)
    settings = checked(read_settings(None, amount or ()), ProbeSettings)
    seeds = read_seeds("--train", train), read_seeds("--test", test)
    where = own_device(device)
    require_folder(out)
    arms = read_arms(trained)
    names = [[phantom_name(one) for one in side] for side in seeds]  # before volumes are made
    refuse_shared_patients(*names, {name for arm in arms for name in arm.patients})
    sides = [_labelled(one, volumes, workers) for one in seeds]
    with shown_progress() as progress:
        records = measure_probes(arms, *sides, out, settings, progress, where)
    print(f"{len(records)} cells in {out}")


def _labelled(seeds: range, folder: Path, workers: int) -> list[Any]:
    """Labelled volumes of digital patients, made where they are missing."""
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.navigation.preparing import keep_phantoms
    from MRNLib.navigation.volumecache import VolumeCache
    from MRNLib.navigation.volumesources import phantom_volumes

    making = keep_phantoms(seeds, folder, labels=True, workers=workers)
    with shown_progress() as progress, contextlib.closing(making) as names:
        for number, name in enumerate(names, start=1):
            progress(number / len(seeds), f"volumes of {name}")
    return list(phantom_volumes(seeds, labels=True, cache=VolumeCache(folder)))


@app.command()
def labels(
    trained: Trained,
    config: Config,
    data: Annotated[Path, typer.Option(help="Crops of labelled patients to draw from.")],
    test: Test,
    out: Out,
    settings: Settings = None,
    amount: Amount = None,
    threads: Threads = 1,
) -> None:
    """Trains MRN behind frozen encoders with few labels."""
    import torch

    from MRNLib.training.config import load_config

    torch.set_num_threads(threads)
    read = load_config(config, settings or ())
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.navigation.measuring.labelcells import measure_labels
    from MRNLib.navigation.measuring.pretrainedarms import read_arms
    from MRNLib.navigation.measuring.tokentraining import LabelSettings
    from MRNLib.training.data import load_folder
    from MRNLib.training.settingsfile import checked, read_settings
    from MRNLib.writing import require_folder

    wanted = checked(read_settings(None, amount or ()), LabelSettings)
    require_folder(out)
    arms = read_arms(trained)
    patients, others = load_folder(data), load_folder(test)
    with shown_progress() as progress:
        records = measure_labels(arms, patients, others, read, out, wanted, progress)
    print(f"{len(records)} cells in {out}")


@app.command()
def finetuned(
    fold: Annotated[Path, typer.Option(help="Folder of a finished train_mrn.py, OUT/fold_N.")],
    test: Test,
    out: Out,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Tests a whole MRN, trained from any of the starts."""
    import torch

    from MRNLib.navigation.measuring.finetunedcells import measure_finetuned
    from MRNLib.training.data import load_folder
    from MRNLib.training.distributed import own_device
    from MRNLib.training.folds import read_fold

    torch.set_num_threads(threads)
    found = sorted(fold.glob("fold_*.safetensors"))
    if len(found) != 1:
        raise InputError(
            f"holds {len(found)} trained folds",
            file=fold,
            expected="one fold_N.safetensors",
            remedy="train it to the end: the same command goes on where it stopped",
        )
    where = str(own_device(device))
    record = measure_finetuned(read_fold(found[0]), load_folder(test), out, where)
    identity = record["identity"]
    print(f"{identity['encoder']}, {identity['size']} labels, seed {identity['seed']}: measured")


@app.command()
def report(
    context: typer.Context,
    measured: Annotated[Path, typer.Option(help="The --out folder of the other commands.")],
    out: Annotated[Path, typer.Option(help="Folder for the page; made if missing.")],
    notes: Annotated[
        Path | None, typer.Option(help="Markdown about this experiment, for the page.")
    ] = None,
) -> None:
    """Writes the page of all that has been measured."""
    from MRNLib.navigation.measuring.experimentpage import write_page

    if notes is not None and not notes.is_file():
        raise InputError("no such file", file=notes)
    about = "" if notes is None else notes.read_text(encoding="utf-8")
    command = shlex.join(["python", "Training/probe_navigation.py", *context.obj])
    for file in write_page(measured, out, command, about):
        print(f"written: {file}")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
