"""``mrn cohort report``: one page over a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.console import ProgressStyle, Talk
from MRNLib.cli.options import CancelFile, Style


def register(group: typer.Typer) -> None:
    """Adds this file's command to ``mrn cohort``."""
    group.command(no_args_is_help=True)(report)


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder that 'mrn cohort run' wrote.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Table of diagnoses (CSV, or participants.tsv of BIDS): groups, ROC and "
            "calibration. A column id (or case, subject, participant_id ...) names a case or its "
            "subject, a column diagnosis (or label, group, PD ...) is HC or PD."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page; cohort.html in OUT if not given.")
    ] = None,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Make one HTML page over a cohort.

    Probabilities, failed cases, measurements far from published norms or from the rest, robustness,
    biomarkers by group; with --labels ROC, calibration and tests. The page needs no network and may
    be made while the cohort is still being run.
    """
    from MRNLib.cohort.report import write

    talk = Talk(progress)
    with talk.progress(cancel_file) as told:
        page = write(folder, labels, out, told)
    talk.event("result", page=str(page))
    talk.say(f"Written: {page}")
