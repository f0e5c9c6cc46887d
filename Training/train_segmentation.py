#!/usr/bin/env python
"""Trains the nnU-Nets that outline the nuclei, and turns the result into the form a bundle holds.

COHORT has the challenge's layout:

    python Training/train_segmentation.py prepare --data COHORT --work WORK
    python Training/train_segmentation.py train --work WORK --fold 0 --fold 1
    python Training/train_segmentation.py import --work WORK --out OUT
    python Training/train_segmentation.py postprocess --work WORK --out OUT

OUT is what export_bundle.py takes, and evaluate_segmentation.py for the segmentation track.
Training goes on where it was stopped. --scale full is the paper's: nnU-Net's own plan, 250 epochs,
no mirroring. --scale tiny is a narrow network for a machine without a GPU; give it to every step
that takes it. A GPU is used where there is one.
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
from MRNLib.cli.console import ProgressStyle, Talk
from MRNLib.cli.run import GOES_ON, run_script, script_group
from MRNLib.cli.training import Device, require_of_all
from MRNLib.errors import InputError
from MRNLib.nnunet import commands
from MRNLib.nnunet.commands import Workspace
from MRNLib.nnunet.dataset import dataset_name, splits, write_raw_dataset
from MRNLib.nnunet.plans import TINY, TinyPlan
from MRNLib.writing import replaced


class Modality(StrEnum):
    """Which volume is outlined; an enumeration, since typer takes no list of literals."""

    QSM = "QSM"
    NM = "NM"


BOTH = [Modality.NM, Modality.QSM]
FIRST_FOLD = [0]
CORES = os.cpu_count() or 1

Work = Annotated[Path, typer.Option(help="nnU-Net's folders go below this.")]
Modalities = Annotated[list[Modality], typer.Option(help="Which of the two; can be repeated.")]
Scale = Annotated[
    Literal["full", "tiny"],
    typer.Option(
        help="full is the paper's, nnU-Net's own plan and 250 epochs, for a GPU; tiny is a narrow "
        "network that trains without one. The same one for prepare, train and import."
    ),
]
TINY_EPOCHS = ", ".join(f"{name} {plan.schedule.epochs}" for name, plan in TINY.items())
Epochs = Annotated[
    int | None,
    typer.Option(min=1, help=f"Length of a tiny training; otherwise {TINY_EPOCHS}."),
]
Processes = Annotated[int, typer.Option(min=1, help="Processes that nnU-Net may start.")]
Imported = Annotated[Path, typer.Option(help="Holds segmenter_qsm and segmenter_nm.")]

app = script_group(__doc__)


@app.command()
def prepare(
    data: Annotated[Path, typer.Option(metavar="COHORT", help="The challenge's folder layout.")],
    work: Work,
    modality: Modalities = BOTH,
    with_t1: Annotated[
        bool, typer.Option("--with-t1", help="Give the QSM network T1 as a second input.")
    ] = False,
    scale: Scale = "full",
    epochs: Epochs = None,
    validation: Annotated[
        int | None, typer.Option(help="Hold out this many last cases instead of five folds.")
    ] = None,
    processes: Processes = CORES,
) -> None:
    """Brings a cohort into nnU-Net's form: dataset, plan, preprocessed volumes, folds."""
    if epochs is not None and scale == "full":
        raise InputError(
            "--epochs is of a tiny training", remedy="add --scale tiny, or leave it out"
        )
    workspace = Workspace(work.resolve(), processes)
    cases = read_cohort(data)
    for one in modality:
        channels: list[str] = [one, "T1"] if one is Modality.QSM and with_t1 else [one]
        raw = write_raw_dataset(cases, one, channels, workspace.raw, progress=_say)
        if note := raw.left_out_note():
            print(note, flush=True)
        # Said before nnU-Net's long preprocessing: too few cases for the folds.
        split = splits(raw.cases, validation)
        dataset = dataset_name(one)
        commands.require_split(workspace, dataset, split)
        plan = _tiny(one, epochs) if scale == "tiny" else None
        commands.plan_and_preprocess(workspace, dataset, plan)
        commands.write_split(workspace, dataset, split)


def _tiny(modality: Modality, epochs: int | None) -> TinyPlan:
    plan = TINY[modality]
    if epochs is None:
        return plan
    return replace(plan, schedule=replace(plan.schedule, epochs=epochs))


@app.command()
def train(
    work: Work,
    modality: Modalities = BOTH,
    fold: Annotated[
        list[int], typer.Option(min=0, help="Which fold to train; can be repeated.")
    ] = FIRST_FOLD,
    scale: Scale = "full",
    device: Device = "auto",
    processes: Processes = CORES,
) -> None:
    """Trains folds, one after the other."""
    from MRNLib.encoding import choose_device

    workspace, tiny = Workspace(work.resolve(), processes), scale == "tiny"

    def startable(one: Modality) -> None:
        for number in fold:
            commands.require_fold(workspace, dataset_name(one), number, tiny=tiny)

    require_of_all(modality, startable)
    used = choose_device(device)
    if used == "cpu" and not tiny:
        Talk(ProgressStyle.bar).warn(
            "training --scale full on the CPU, which takes very long; --scale tiny, from prepare "
            "on, is for machines without a GPU"
        )
    for one in modality:
        for number in fold:
            results = commands.train(workspace, dataset_name(one), number, tiny=tiny, device=used)
            print(f"{one}, fold {number}: {results}", flush=True)


@app.command("import")
def import_results(
    work: Work,
    out: Annotated[Path, typer.Option(help="segmenter_qsm and segmenter_nm go here.")],
    modality: Modalities = BOTH,
    fold: Annotated[
        list[int] | None,
        typer.Option(
            min=0, help="Folds of the ensemble; can be repeated, all trained ones by default."
        ),
    ] = None,
    scale: Scale = "full",
    fp32: Annotated[bool, typer.Option("--fp32", help="Store fp32 rather than fp16.")] = False,
) -> None:
    """Writes trained folds in the form of a bundle; their outputs are averaged there."""
    from MRNLib.challenge.outlining import segmenter_folder
    from MRNLib.nnunet.importing import checkpoints
    from MRNLib.segmentation import import_nnunet_results

    workspace, tiny = Workspace(work.resolve()), scale == "tiny"

    def results(one: Modality) -> Path:
        return workspace.results_folder(dataset_name(one), tiny)

    def trained(one: Modality) -> None:
        if not results(one).is_dir():
            commands.require_scale(workspace, dataset_name(one), tiny=tiny)
        checkpoints(results(one), folds=fold)

    require_of_all(modality, trained)
    for one in modality:
        target = segmenter_folder(out, one)
        import_nnunet_results(results(one), target, full_precision=fp32, folds=fold)
        print(f"{one}: {target}", flush=True)


@app.command()
def postprocess(
    out: Imported,
    work: Annotated[
        Path | None, typer.Option(help="Choose on what each fold held out: nnU-Net's folders.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="COHORT", help="Or on other patients, by all folds together."),
    ] = None,
    modality: Modalities = BOTH,
    device: Device = "auto",
) -> None:
    """Chooses of which nuclei only the largest connected part is kept, on held-out cases.

    Where the challenge's region score of a nucleus is higher with its largest part alone, the
    network in OUT keeps that part from now on. A nucleus that it does not outline is left alone.
    """
    from MRNLib.challenge.heldout import cohort_pairs, folds_pairs
    from MRNLib.challenge.outlining import segmenter_folder
    from MRNLib.challenge.postprocessing import choose, doubts, page
    from MRNLib.encoding import choose_device

    if (work is None) == (data is None):
        raise InputError("name either --work or --data")

    def imported(one: Modality) -> None:
        if not (folder := segmenter_folder(out, one)).is_dir():
            raise InputError("no trained network", file=folder, remedy="import it first")

    require_of_all(modality, imported)
    device = choose_device(device)
    talk = Talk(ProgressStyle.bar)
    for one in modality:
        folder, name = segmenter_folder(out, one), dataset_name(one)
        with talk.progress() as report:
            if work is not None:
                workspace = Workspace(work.resolve())
                pairs = folds_pairs(folder, workspace, name, device=device, progress=report)
            else:
                cases = read_cohort(data)
                pairs = cohort_pairs(
                    folder, one.value, cases, device=device, progress=report, skipped=talk.warn
                )
            compared = choose(folder, pairs)
        text = page(one, compared)
        with replaced(out / f"postprocessing_{one.lower()}.md") as file:
            file.write_text(text, encoding="utf-8")
        print(text, flush=True)
        for doubt in doubts(compared):
            talk.warn(f"{one}: {doubt}")


def _say(fraction: float, message: str) -> None:
    print(f"{100 * fraction:3.0f} % {message}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
