"""``mrn challenge``: predictions and scores of the MICCAI 2025 PDCADxFoundation challenge."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MRNLib.cli.console import EXIT_SOME_FAILED, ProgressStyle, Talk
from MRNLib.cli.options import CancelFile, Style
from MRNLib.writing import replaced_files, require_folder

if TYPE_CHECKING:
    from MRNLib.challenge.scoring import Score

group = typer.Typer(
    help="Predictions and scores in the layout of the PDCADxFoundation challenge.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.add_typer(group, name="challenge")


@group.command(no_args_is_help=True)
def score(
    ground_truth: Annotated[
        Path, typer.Argument(help="Holds CASE/QSM_mask.nii.gz and CASE/NM_mask.nii.gz.")
    ],
    predictions: Annotated[
        Path, typer.Argument(help="Holds CASE/{QSM,NM}_pred.nii.gz and CASE/PD_pred.txt.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="Table of diagnoses (id, diagnosis); GROUND_TRUTH/labels.csv if there."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and page; PREDICTIONS by default.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; as many as processors by default.")
    ] = os.cpu_count() or 1,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> int:
    """Score predictions as the challenge does, and place them among its published results.

    Cases that cannot be scored are reported in a line each and the others go on; the command then
    ends with code 3.
    """
    from MRNLib.challenge.page import PAGE_FILE, page
    from MRNLib.challenge.scoring import score as score_folders
    from MRNLib.challenge.tables import ORGANISERS_FILES, write_tables

    folder = predictions if out is None else out
    require_folder(folder)
    talk = Talk(progress)
    with talk.progress(cancel_file) as report:
        found = score_folders(
            ground_truth, predictions, labels=labels, workers=workers, progress=report
        )
    with replaced_files(folder, optional=ORGANISERS_FILES.values()) as staged:
        write_tables(found, staged)
        (staged / PAGE_FILE).write_text(page(found), encoding="utf-8")
    _tell(talk, found, folder)
    return EXIT_SOME_FAILED if found.problems else 0


def _tell(talk: Talk, found: Score, folder: Path) -> None:
    """What the command says: figures, then a line for each case with something the matter."""
    from MRNLib.challenge import page
    from MRNLib.challenge.tables import as_json
    from MRNLib.cli.tables import plain_table

    segmentation, classification = found.segmentation, found.classification
    if segmentation is not None:
        rows = page.structure_rows(segmentation)
        talk.show(plain_table(page.STRUCTURE_HEADER, rows))
        talk.show(plain_table(page.COMPOSITE_HEADER, page.composite_rows(segmentation)))
    if classification is not None:
        talk.say(classification.summary)
        for row in page.classification_rows(classification):
            talk.say(": ".join(row))
    remarks = (*found.notes, *(classification.notes if classification else ()))
    for text in remarks:
        talk.warn(text)
    for one in found.results:
        if one.empty:
            talk.warn(f"{one.identifier}: {'; '.join(one.empty)}")
        if one.problems:
            talk.warn(f"{one.identifier} was not scored as a whole: {one.problem}")
    talk.event("result", folder=str(folder), **as_json(found))
    whole = len(found.results) - len(found.problems)
    talk.say(
        f"{whole} of {len(found.results)} cases scored as a whole; tables, and the place among the "
        f"published results, in {folder / page.PAGE_FILE}"
    )
