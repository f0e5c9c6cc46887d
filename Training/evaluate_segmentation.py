#!/usr/bin/env python
"""The segmentation track by itself: networks that are in no bundle outline a cohort.

SEGMENTERS is the --out folder of train_segmentation.py import:

    python Training/evaluate_segmentation.py outline --data COHORT \\
        --segmenters SEGMENTERS --out PREDICTIONS
    mrn challenge score COHORT PREDICTIONS

With --work WORK, the folder of the training, each of its patients is outlined by the fold that was
not trained on them: masks for prepare_crops.py --predicted.

Several of them beside each other, such as one fold, an ensemble, and a network with T1:

    python Training/evaluate_segmentation.py compare --data COHORT \\
        --predictions one=PREDICTIONS --predictions five=OTHERS \\
        --out comparison.md
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.casefiles import survey_cohort
from MRNLib.cli.console import EXIT_SOME_FAILED, ProgressStyle, Talk
from MRNLib.cli.run import GOES_ON, run_script, script_group
from MRNLib.cli.training import Device
from MRNLib.errors import InputError
from MRNLib.nnunet.commands import Workspace
from MRNLib.writing import replaced, require_folder

app = script_group(__doc__)


@app.command()
def outline(
    data: Annotated[Path, typer.Option(metavar="COHORT", help="The challenge's folder layout.")],
    segmenters: Annotated[Path, typer.Option(help="Holds segmenter_qsm and segmenter_nm, or one.")],
    out: Annotated[Path, typer.Option(help="Receives CASE/{QSM,NM}_pred.nii.gz.")],
    work: Annotated[
        Path | None,
        typer.Option(help="Each case by the fold that held it out: where they were trained."),
    ] = None,
    device: Device = "auto",
) -> int:
    """Outlines a cohort with imported networks; masks that they made before are kept.

    A case that cannot be used is reported in one line and the others go on; the command then ends
    with code 3.
    """
    from MRNLib.challenge.outlining import all_folds, claim, out_of_fold, outline_cohort
    from MRNLib.challenge.prediction import one_line
    from MRNLib.encoding import choose_device

    require_folder(out)
    device = choose_device(device)
    talk = Talk(ProgressStyle.bar)
    cases, failed = survey_cohort(data), 0
    claim(out, segmenters, out_of_fold=work is not None)
    networks = out_of_fold(segmenters, Workspace(work)) if work else all_folds(segmenters)
    with talk.progress() as report:
        outlined = outline_cohort(cases, networks, out, device=device, progress=report)
        for name, error in outlined:
            if error is not None:
                failed += 1
                talk.warn(f"{name}: failed. {one_line(error)}")
    talk.say(f"{len(cases) - failed} of {len(cases)} cases outlined, in {out}")
    return EXIT_SOME_FAILED if failed else 0


@app.command()
def compare(
    data: Annotated[Path, typer.Option(metavar="COHORT", help="Holds CASE/{QSM,NM}_mask.nii.gz.")],
    predictions: Annotated[
        list[str],
        typer.Option(metavar="NAME=FOLDER", help="One segmentation of the cohort; repeated."),
    ],
    out: Annotated[Path, typer.Option(help="Markdown file to write.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> int:
    """Puts several segmentations of one cohort beside each other, nucleus by nucleus.

    Where a case could not be scored the command ends with code 3.
    """
    require_folder(out.parent)
    from MRNLib.challenge.comparison import comparison
    from MRNLib.challenge.scoring import score

    talk, scores = Talk(ProgressStyle.bar), {}
    for name, folder in _named(predictions).items():
        with talk.progress() as report:
            found = score(data, folder, workers=workers, progress=report)
        if found.problems:
            talk.warn(
                f"{name}: {len(found.problems)} cases not scored as a whole, such as "
                f"{found.problems[0].identifier}: {found.problems[0].problem}"
            )
        scores[name] = found
    page = comparison(scores)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replaced(out) as file:
        file.write_text(page, encoding="utf-8")
    print(page, flush=True)
    return EXIT_SOME_FAILED if any(one.problems for one in scores.values()) else 0


def _named(words: list[str]) -> dict[str, Path]:
    """The folders of ``NAME=FOLDER`` by their names.

    Raises:
        InputError: One has another form, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for text in words:
        name, separator, folder = text.partition("=")
        if not (name and separator and folder) or name in found:
            raise InputError(f"--predictions {text}", expected="NAME=FOLDER, each name once")
        found[name] = Path(folder)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
