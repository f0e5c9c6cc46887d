"""Makes a bundle of trained folds and segmenters: calibrated, with its card.

Of all folds in the --out folder of train_folds.py:

    python Training/export_bundle.py --trained runs/mrn/final \\
        --segmenter-qsm runs/segmenters/segmenter_qsm \\
        --segmenter-nm runs/segmenters/segmenter_nm --out runs/bundles/mrn

Folds from elsewhere are named one by one, with
the crops that they were trained on:

    python Training/export_bundle.py --data runs/crops \\
        --folds runs/mrn/fold_0/fold_0.safetensors \\
        --folds runs/mrn/fold_1/fold_1.safetensors \\
        --folds runs/mrn/fold_2/fold_2.safetensors \\
        --validation runs/crops_validation \\
        --segmenter-qsm runs/segmenters/segmenter_qsm \\
        --segmenter-nm runs/segmenters/segmenter_nm --out runs/bundles/mrn

The temperature comes from --validation patients, whom no fold may have been trained on; without
them each patient of the folds is predicted by the fold that held it out. In the place of crops a
cohort in the challenge's layout (volumes, masks, labels.csv) is taken too: it is cut first, once,
into OUT-crops/data (data2 ... for more) and OUT-crops/validation, beside the bundle.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.run import run_script, script_app
from MRNLib.cli.training import Device, Draws, ready_crops
from MRNLib.errors import InputError


def export(
    out: Annotated[Path, typer.Option(help="Bundle folder to write.")],
    segmenter_qsm: Annotated[Path, typer.Option(help="Imported nnU-Net of the QSM.")],
    segmenter_nm: Annotated[Path, typer.Option(help="Imported nnU-Net of the NM volume.")],
    trained: Annotated[
        Path | None, typer.Option(help="Folder of train_folds.py: all its folds.")
    ] = None,
    folds: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Or exported folds, fold_N.safetensors; can be repeated."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CROPS",
            help="Crops, or the cohort, the folds were made of, can be repeated; with --trained if "
            "they moved.",
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="Crops, or a cohort, of patients that no fold was trained on."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "phantom-tiny",
    bundle_version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1.0.0",
    summary: Annotated[str, typer.Option(help="First sentence of the card.")] = "",
    device: Device = "auto",
    draws: Draws = 1000,
) -> None:
    """Writes and calibrates a bundle."""
    from MRNLib.bundle_folds import Naming, make_bundle
    from MRNLib.bundle_sources import Sources
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.training.calibration import HOPELESS_TEMPERATURE
    from MRNLib.training.cohortcrops import CROPS
    from MRNLib.training.data import load_folder
    from MRNLib.training.folds import combined, read_fold, read_folds
    from MRNLib.training.protocol import Protocol, read_protocol

    if (trained is None) == (not folds):
        raise InputError("name either --trained or --folds")
    if trained is not None:
        protocol = read_protocol(trained)
        found = read_folds(trained, protocol.folds)
    else:
        if not data:
            raise InputError("--folds needs the crops they were trained on: --data CROPS")
        protocol = Protocol(tuple(map(str, data)), None, 0)
        found = [read_fold(path) for path in folds or ()]
    beside = out.with_name(f"{out.name}-{CROPS}")  # the bundle's folder is replaced as a whole
    crops = []
    for number, folder in enumerate(data or protocol.data, start=1):
        into = beside / f"data{number if number > 1 else ''}"
        crops.append(load_folder(ready_crops(Path(folder), into)))
    unseen = validation or (Path(protocol.validation) if protocol.validation else None)
    if unseen is not None:
        unseen = ready_crops(unseen, beside / "validation")
    sources = Sources(
        found,
        combined(*crops),
        load_folder(unseen) if unseen else [],
        len(crops) > 1,
        {"QSM": segmenter_qsm, "NM": segmenter_nm},
    )
    digital = "Demonstration model, trained on digital patients only."
    plain = digital if found[0].trained_on == "phantom" else "MRN, trained on patients."
    naming = Naming(name, bundle_version, summary or plain, f"Training/export_bundle.py, {name}")
    with shown_progress() as progress:
        bundle = make_bundle(sources, naming, out, device=device, draws=draws, progress=progress)
    typer.echo(f"{bundle.identity} written to {out}")
    calibration = bundle.manifest.calibration
    if calibration.temperature >= HOPELESS_TEMPERATURE:
        typer.echo(
            f"Warning: the temperature is {calibration.temperature:.1f}: on patients that they had "
            "not seen the folds hardly tell PD from HC, and the bundle says about .5 of everybody.",
            err=True,
        )


app = script_app(export, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
