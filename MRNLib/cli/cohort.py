"""``mrn cohort``: folders of examinations, on one machine or a cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from MRNLib.cli import cohort_report
from MRNLib.cli.console import EXIT_SOME_FAILED, ProgressStyle, Talk, err
from MRNLib.cli.longwork import LINE_EVERY_SECONDS
from MRNLib.cli.options import CancelFile, Out, Settings, Style, with_settings
from MRNLib.errors import Cancelled
from MRNLib.progress import Progress

if TYPE_CHECKING:
    from MRNLib.cluster.tasks import Outcome
    from MRNLib.cohort.order import Order

# With more cases than this the terminal shows those that failed; the tables have all.
SHOWN = 40
BIDS = "BIDS-style folders"

group = typer.Typer(
    help="Diagnose cohorts of any size, put them into tables and into one report.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Adds the group and its commands."""
    group.command(no_args_is_help=True)(run)
    group.command(no_args_is_help=True)(tables)
    cohort_report.register(group)
    app.add_typer(group, name="cohort")


@with_settings
def run(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Holds a folder for each case, with QSM.nii.gz and NM.nii.gz, or BIDS-style "
            "sub-*/ses-*/anat.",
        ),
    ],
    out: Out,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes on this machine; 0 works in this one. By default as many as it has "
            "GPUs, or cores and memory for.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="A running Dask scheduler instead."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each process.")] = None,
    keep: Annotated[
        Literal["report", "masks", "none"],
        typer.Option(help="Files kept of each case beside its record."),
    ] = "report",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do cases again that failed before.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="What it always does.", hidden=True)
    ] = False,
    given_masks: Annotated[
        bool, typer.Option(help="Use masks that lie beside the volumes.")
    ] = True,
    qsm_pattern: Annotated[
        str, typer.Option(help="File name of the QSM.", rich_help_panel=BIDS)
    ] = "*_Chimap.nii*",
    nm_pattern: Annotated[
        str, typer.Option(help="File name of the NM volume.", rich_help_panel=BIDS)
    ] = "*_MT*.nii*",
    t1_pattern: Annotated[
        str, typer.Option(help="Of T1, if the bundle needs it.", rich_help_panel=BIDS)
    ] = "*_T1w.nii*",
    qsm_mask_pattern: Annotated[
        str | None, typer.Option(help="Of the 16 nuclei's mask.", rich_help_panel=BIDS)
    ] = None,
    nm_mask_pattern: Annotated[
        str | None, typer.Option(help="Of the NM mask.", rich_help_panel=BIDS)
    ] = None,
    *,
    settings: Settings,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> int:
    """Diagnose every case of a folder; the same command goes on where it was stopped or killed.

    --out gets a record of each case, what 'mrn diagnose' writes, and tables. A case that cannot be
    used is reported and the others go on; the command then ends with code 3.
    """
    from MRNLib.cohort.discovery import Patterns
    from MRNLib.cohort.order import Order

    talk = Talk(progress)
    order = Order(
        folder=folder,
        out=out,
        parameters=settings(),
        keep=keep,
        given_masks=given_masks,
        patterns=Patterns(qsm_pattern, nm_pattern, t1_pattern, qsm_mask_pattern, nm_mask_pattern),
        workers=workers,
        scheduler=scheduler,
        threads=threads,
        retry_failed=retry_failed,
    )
    return run_order(order, talk, cancel_file)


def run_order(order: Order, talk: Talk, cancel_file: Path | None = None) -> int:
    """Runs an order, tells how it fares, and returns the exit code."""
    from MRNLib.cohort.board import CohortBoard
    from MRNLib.cohort.run import run_cohort

    ended: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        ended.append(outcome)
        _tell(talk, outcome)

    with talk.progress(cancel_file) as report:
        board = CohortBoard(_with_lines(talk, report), tell, talk.say)
        try:
            record = run_cohort(order, board)
        except Cancelled:
            talk.say(f"{len(ended)} cases have ended; the same command goes on.")
            raise
    total, failed = len(record.cases), board.failed
    talk.event("result", cases=total, failed=failed, folder=str(order.out))
    _show(talk, ended)
    talk.say(f"{total - failed} of {total} cases done ({board.before} before), in {order.out}")
    return EXIT_SOME_FAILED if failed else 0


def tables(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder that 'mrn cohort run' wrote.")
    ],
    progress: Style = ProgressStyle.bar,
) -> None:
    """Make the tables again from the cases' records: CSV, and Parquet where pyarrow is installed.

    May be done while the cohort is still being run.
    """
    from MRNLib.cohort.tables import write_tables

    talk = Talk(progress)
    written = write_tables(folder)
    talk.event("result", files=[str(path) for path in written])
    talk.say("\n".join(str(path) for path in written))


def _with_lines(talk: Talk, report: Progress) -> Progress:
    """Also a line now and then, for a log, where no bar is drawn."""
    if talk.style is not ProgressStyle.bar or err.is_terminal:
        return report
    last = [time.monotonic()]

    def both(fraction: float, message: str) -> None:
        report(fraction, message)
        if time.monotonic() - last[0] >= LINE_EVERY_SECONDS:
            last[0] = time.monotonic()
            talk.say(f"{time.strftime('%H:%M:%S')} {100 * fraction:5.1f} % {message}")

    return both


def _tell(talk: Talk, outcome: Outcome) -> None:
    found = outcome.value
    talk.event(
        "case",
        identifier=outcome.key,
        state=found.state,
        probability_pd=found.probability_pd,
        decision=found.decision,
        text=outcome.error or found.note,
    )
    if talk.style is not ProgressStyle.json:
        if outcome.error:
            talk.warn(f"{outcome.key} was left out. {outcome.error}")
        elif found.note:
            talk.warn(f"{outcome.key}: {found.note}")


def _show(talk: Talk, ended: list[Outcome]) -> None:
    """A table of all cases if they are few, else of the first that failed."""
    from MRNLib.cli.tables import cohort_table

    shown = sorted(ended, key=lambda outcome: outcome.key)
    if len(shown) > SHOWN:
        shown = [outcome for outcome in shown if outcome.error][:SHOWN]
    if shown:
        talk.show(cohort_table([_cells(outcome) for outcome in shown]))


def _cells(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.value
    probability = "" if found.probability_pd is None else f"{found.probability_pd:.2f}"
    return outcome.key, found.state, probability, found.decision
