"""``mrn phantom`` and ``mrn demo``: digital patients, and the whole road on two of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.anatomy import NOTICE
from MRNLib.cli.console import ProgressStyle, Talk
from MRNLib.cli.options import CancelFile
from MRNLib.parameters import DEFAULT_BUNDLE, Parameters
from MRNLib.progress import part
from MRNLib.writing import require_folder


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command(no_args_is_help=True)(phantom)
    app.command()(demo)


def phantom(
    out: Annotated[Path, typer.Option(help="Cohort folder to write to; made if missing.")],
    number: Annotated[int, typer.Option(min=1, help="How many digital patients.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first; the others follow on.")] = 0,
    diagnosis: Annotated[
        str | None, typer.Option(help="HC or PD for all; by default drawn, half and half.")
    ] = None,
    from_masks: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="QSM_MASK NM_MASK",
            help="Paint tissue into these masks instead of made-up ones; makes one patient.",
        ),
    ] = None,
    progress: ProgressStyle = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Make digital patients: QSM, NM, T1 and both masks in the challenge's layout, with the truth.

    The same seed gives the same bytes. Every file is marked as a phantom in its header.
    """
    from MRNLib.errors import InputError
    from MRNLib.phantom import paint_case, write_cohort

    if diagnosis not in (None, "HC", "PD"):
        raise InputError(f"--diagnosis {diagnosis} is unknown.", expected="HC or PD")
    if from_masks and number > 1:
        raise InputError(
            f"--number {number} was given with --from-masks.",
            expected="one digital patient per pair of masks",
            remedy="leave --number out, or run the command again with another --seed",
        )
    require_folder(out)
    talk = Talk(progress)
    with talk.progress(cancel_file) as report:
        if from_masks:
            paint_case(*from_masks, seed, diagnosis, out, progress=report)
        else:
            write_cohort(out, number, seed, progress=report, diagnosis=diagnosis)
    talk.event("result", folder=str(out))
    talk.say(f"{1 if from_masks else number} digital patient(s) in {out}")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for patients and reports.")] = Path("demo"),
    bundle: Annotated[
        str, typer.Option(help="Installed bundle or bundle folder.")
    ] = DEFAULT_BUNDLE,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    progress: ProgressStyle = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Make one PD and one HC digital patient and run everything on them, from files to reports.

    The patients come from seeds that no model was trained on.
    """
    from MRNLib.casefiles import read_cohort
    from MRNLib.cli.tables import demo_table
    from MRNLib.diagnosis import Diagnoser
    from MRNLib.phantom import DEMO_SEEDS, write_cohort

    require_folder(out)
    talk = Talk(progress)
    patients = out / "patients"
    results = {}
    with talk.progress(cancel_file) as report:
        for number, diagnosis in enumerate(("PD", "HC")):
            step = part(report, 0.1 * number, 0.1 * (number + 1))
            write_cohort(patients, 1, DEMO_SEEDS[number], progress=step, diagnosis=diagnosis)
        diagnoser = Diagnoser(Parameters(bundle=bundle, device=device))
        cases = {case.identifier: case for case in read_cohort(patients)}
        for number, case in enumerate(cases.values()):
            step = part(report, 0.2 + 0.4 * number, 0.6 + 0.4 * number)
            # The masks on disk are the truth; the demo outlines the nuclei itself, like any
            # patient's.
            result = diagnoser.diagnose(replace(case, qsm_mask=None, nm_mask=None), step)
            results[case] = (result.examination, result.write(out / "reports" / case.identifier))
    for case, (examination, files) in results.items():
        talk.event(
            "result",
            identifier=case.identifier,
            truth=case.diagnosis,
            probability_pd=examination.probability_pd,
            decision=examination.decision,
            report=str(files["report.html"]),
        )
    talk.show(demo_table([(case, result[0]) for case, result in results.items()]))
    for _, files in results.values():
        talk.say(f"Report: {files['report.html']}")
    talk.say(f"\n{NOTICE} The patients are digital phantoms and so were the model's.")
