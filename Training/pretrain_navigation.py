#!/usr/bin/env python
"""Pre-trains MRN's encoder by slice navigation, on volumes without labels.

Volumes are prepared once: digital patients, or those of a folder, whatever they are of:

    python Training/pretrain_navigation.py volumes --out VOLUMES
    python Training/pretrain_navigation.py volumes --data FOLDER --out VOLUMES

The method, and one of its baselines with the same tokenizer:

    python Training/pretrain_navigation.py train --volumes VOLUMES \\
        --config Training/configs/navigation/tiny.yaml --out ALIGNED
    python Training/pretrain_navigation.py train --volumes VOLUMES \\
        --config Training/configs/navigation/tiny.yaml --out ZEROED \\
        --arm zeroed --tokenizer ALIGNED

On two GPUs of this machine:

    torchrun --nproc_per_node=2 Training/pretrain_navigation.py train ...

Ctrl-C and SIGTERM save first; after these, and after a kill, the same command goes on exactly where
it was. A training of MRN starts from the result with

    --set model.backbone.weights=navigation:ALIGNED

What the model expects to see along a path, as strip.png and path.gif:

    python Training/pretrain_navigation.py show --trained ALIGNED \\
        --volumes VOLUMES --kind scroll --out runs/scroll
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from MRNLib.cli.pretraining import tell, tell_kept, tell_seen, tell_split, usable
from MRNLib.cli.run import GOES_ON, run_script, script_group
from MRNLib.cli.training import Device, Settings, Threads, read_seeds
from MRNLib.errors import InputError

CORES = os.cpu_count() or 1
PHANTOMS = "0:200"

Config = Annotated[
    Path, typer.Option(help="YAML settings, such as Training/configs/navigation/paper.yaml.")
]
Prepared = Annotated[Path, typer.Option(help="Folder that the command volumes has filled.")]

app = script_group(__doc__)


@app.command()
def volumes(
    out: Annotated[Path, typer.Option(help="Folder for the volumes; made if missing.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of NIfTI, NRRD or MHA files, or one file; instead of phantoms."),
    ] = None,
    phantoms: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:COUNT", help=f"Seeds of digital patients; {PHANTOMS} by default."
        ),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Keep the phantoms' nuclei too, for probes.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make phantoms.")] = CORES,
) -> None:
    """Prepares volumes; those already in the folder are left alone."""
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.navigation.preparing import keep_files, keep_phantoms

    if data is not None and (phantoms is not None or labels):
        other = "--labels" if phantoms is None else "--phantoms"
        raise InputError(f"--data and {other} exclude each other", remedy="name one of the two")
    if data is not None:
        with shown_progress() as progress:
            kept = keep_files(data, out, progress)
        tell_kept(kept, data, out)
        return
    seeds = read_seeds("--phantoms", phantoms or PHANTOMS)
    making = keep_phantoms(seeds, out, labels=labels, workers=workers)
    with shown_progress() as progress, contextlib.closing(making) as names:
        for number, name in enumerate(names, start=1):
            progress(number / len(seeds), name)
    print(f"{len(seeds)} digital patients in {out}")


@app.command()
def train(
    config: Config,
    volumes: Prepared,
    out: Annotated[Path, typer.Option(help="Folder of this pre-training.")],
    arm: Annotated[
        Literal["aligned", "shuffled", "zeroed", "tokenizer", "static"] | None,
        typer.Option(help="The method (aligned) or a baseline, instead of the settings'."),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Take over the finished first stage of this folder (aligned, shuffled "
            "and zeroed have the same)."
        ),
    ] = None,
    settings: Settings = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Trains both stages of one arm, or goes on with them."""
    import torch

    from MRNLib.navigation.config import load_config

    torch.set_num_threads(threads)
    read = load_config(config, [*(settings or ()), *([f"arm={arm}"] if arm else ())])
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.navigation.training import Pretraining
    from MRNLib.navigation.volumecache import load_volumes
    from MRNLib.training.distributed import joined, own_device

    where = own_device(device)
    there = load_volumes(volumes)
    with joined(where) as group:
        with shown_progress(group.leads) as progress:
            there = usable(there, read, progress, speaks=group.leads)
        with shown_progress(group.leads) as progress:
            pretraining = Pretraining(
                read, there, out, device=where, progress=progress, group=group, tokenizer=tokenizer
            )
            if group.leads:
                tell_split(pretraining)
            pretrained = pretraining.run()
    if group.leads:
        tell(pretrained)


@app.command()
def show(
    trained: Annotated[Path, typer.Option(help="Folder of a pre-training with dynamics.")],
    volumes: Prepared,
    out: Annotated[Path, typer.Option(help="Folder for strip.png and path.gif.")],
    patient: Annotated[
        str | None, typer.Option(help="Whose volume; by default the first that was held out.")
    ] = None,
    role: Annotated[
        Literal["QSM", "NM", "T1", "other"] | None,
        typer.Option(help="Which of the patient's volumes; by default the first."),
    ] = None,
    kind: Annotated[
        Literal["scroll", "tilt", "plane_switch", "zoom", "random_walk"],
        typer.Option(help="What kind of path."),
    ] = "scroll",
    length: Annotated[int, typer.Option(min=2, max=24, help="Slices of the path.")] = 10,
    known: Annotated[int, typer.Option(min=1, help="Slices that the model is given.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the path.")] = 0,
    device: Device = "auto",
) -> None:
    """Draws a path: the slices that are there, those predicted, and the difference."""
    from MRNLib.navigation.exported import load_world
    from MRNLib.navigation.journey import chosen_volume, imagine
    from MRNLib.navigation.show import write_journey
    from MRNLib.navigation.volumecache import load_volumes
    from MRNLib.training.distributed import own_device

    if known >= length:
        raise InputError(f"--known {known} leaves nothing of --length {length} to predict")
    model = load_world(trained, own_device(device))
    volume = chosen_volume(load_volumes(volumes), model.held_out, patient, role)
    tell_seen(model, volume)
    journey = imagine(model, volume, kind=kind, length=length, known=known, seed=seed)
    for file in write_journey(journey, out):
        print(f"written: {file}")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    leads = int(os.environ.get("RANK", "0")) == 0  # of the processes that torchrun started
    return run_script(app, arguments, GOES_ON, speaks=leads)


if __name__ == "__main__":
    sys.exit(main())
