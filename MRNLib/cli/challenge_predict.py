"""``mrn challenge predict``: examinations to masks and votes in the challenge's layout."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from MRNLib.casefiles import Case, UnusableCase
from MRNLib.cli.challenge import group
from MRNLib.cli.console import EXIT_SOME_FAILED, ProgressStyle, Talk
from MRNLib.cli.options import BundleName, CancelFile, Device, Exact, Precision, Style, Tta
from MRNLib.errors import BundleError, Cancelled
from MRNLib.parameters import DEFAULT_BUNDLE, Parameters
from MRNLib.progress import Progress, part
from MRNLib.writing import remove_partial, require_folder

if TYPE_CHECKING:
    from MRNLib.diagnosis import Diagnoser

# What the organisers allow for one case.
MOST_SECONDS = 30.0


@dataclass(frozen=True)
class Wanted:
    """Which files are wanted, and for which cases."""

    probability_file: bool
    skip_existing: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        state: ``no vote`` has masks, but was refused by the classification.
        vote: What stands in ``PD_pred.txt``.
        text: Why the case failed or has no vote, in one line.
    """

    identifier: str
    state: Literal["done", "done before", "no vote", "failed"]
    seconds: float = 0.0
    vote: int | None = None
    probability_pd: float | None = None
    text: str = ""
    warnings: tuple[str, ...] = ()


def register(app: typer.Typer) -> None:
    """Adds this file's command to ``mrn challenge``."""
    group.command(no_args_is_help=True)(predict)


def predict(
    inputs: Annotated[
        Path, typer.Argument(help="Holds a folder for each case, with QSM.nii.gz and NM.nii.gz.")
    ],
    outputs: Annotated[
        Path, typer.Argument(help="Receives a folder of the same name for each case.")
    ],
    bundle: BundleName = DEFAULT_BUNDLE,
    device: Device = "auto",
    precision: Precision = "fp32",
    tta: Tta = False,
    exact: Exact = False,
    probability: Annotated[
        bool,
        typer.Option(
            help="Also write PD_prob.txt, the probability of PD, which the challenge does not ask "
            "for; 'mrn challenge score' takes the area under the curve from it."
        ),
    ] = True,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Pass over cases whose files are all there and can be used, whatever made them; "
            "those without a vote are done again.",
        ),
    ] = False,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> int:
    """Predict masks and votes in the layout of the PDCADxFoundation challenge.

    Every case gets NM_pred.nii.gz and QSM_pred.nii.gz, in the challenge's labels and its volumes'
    own geometry, and PD_pred.txt with 1 (P(PD) of .5 or more) or 0. T1 is optional, and masks
    beside the volumes are not looked at.

    A case that cannot be used is reported in one line and the others go on; the command then ends
    with code 3. So it does where the nuclei could be outlined but the classification was refused:
    the masks are written, PD_pred.txt is 0 as a stand-in, OUTPUTS/.without_vote/CASE says why, and
    there is no PD_prob.txt.

    The votes are the model's at .5, without limits for undecided cases. The bundle phantom-tiny was
    trained on digital patients: its votes have no meaning for a patient.
    """
    require_folder(outputs)
    talk = Talk(progress)
    parameters = Parameters(
        bundle=bundle, device=device, precision=precision, tta=tta, exact_segmentation=exact
    )
    wanted = Wanted(probability, skip_existing)
    return run_predictions(talk, inputs, outputs, parameters, wanted, cancel_file)


def run_predictions(
    talk: Talk,
    inputs: Path,
    outputs: Path,
    parameters: Parameters,
    wanted: Wanted,
    cancel_file: Path | None,
) -> int:
    """Works through the cases and returns the exit code."""
    from MRNLib.casefiles import survey_cohort
    from MRNLib.diagnosis import Diagnoser
    from MRNLib.examination import NO_MEANING

    found = survey_cohort(inputs)
    outcomes = []
    with talk.progress(cancel_file) as report:
        diagnoser = Diagnoser(parameters)
        diagnoser.classifier([])  # weights or a precision that cannot be used are said at once
        talk.say(f"Model {diagnoser.bundle.identity} on {diagnoser.device}")
        if diagnoser.bundle.manifest.trained_on == "phantom":
            talk.warn(f"{NO_MEANING} It was trained on digital patients.")
        for number, case in enumerate(found):
            step = part(report, number / len(found), (number + 1) / len(found))
            outcome = _predict(diagnoser, case, outputs / case.identifier, step, wanted)
            outcomes.append(outcome)
            _tell(talk, outcome)
    _close(talk, outcomes, outputs, diagnoser.device)
    return EXIT_SOME_FAILED if any(one.state in ("failed", "no vote") for one in outcomes) else 0


def _predict(
    diagnoser: Diagnoser,
    case: Case | UnusableCase,
    out: Path,
    progress: Progress,
    wanted: Wanted,
) -> Outcome:
    """One case; whatever goes wrong with it is the outcome's text."""
    from MRNLib.challenge import prediction

    name = case.identifier
    progress(0.0, name)
    remove_partial(out)  # here, for a case that is passed over or fails is not written
    if isinstance(case, UnusableCase):
        return Outcome(name, "failed", text=prediction.one_line(case.error))
    if wanted.skip_existing and prediction.is_predicted(out, wanted.probability_file):
        return Outcome(name, "done before")
    started = time.perf_counter()
    try:
        found = prediction.predict(
            diagnoser,
            case,
            lambda fraction, message: progress(fraction, f"{name}: {message}"),
        )
        found.write(out, probability_file=wanted.probability_file)
    except (BundleError, Cancelled):
        raise  # no other case would fare better, or none is wanted
    except Exception as error:
        # Nobody watches a run of hundreds of cases: even a defect may cost one of them at most.
        seconds = time.perf_counter() - started
        return Outcome(name, "failed", seconds, text=prediction.one_line(error))
    return Outcome(
        name,
        "no vote" if found.refusal else "done",
        time.perf_counter() - started,
        found.vote,
        found.probability_pd,
        found.refusal,
        found.warnings,
    )


def _tell(talk: Talk, outcome: Outcome) -> None:
    name = outcome.identifier
    talk.event(
        "case",
        identifier=name,
        state=outcome.state,
        vote=outcome.vote,
        probability_pd=outcome.probability_pd,
        seconds=round(outcome.seconds, 2),
        text=outcome.text,
        warnings=list(outcome.warnings),
    )
    if talk.style is ProgressStyle.json:
        return
    for text in outcome.warnings:
        talk.warn(f"{name}: {' '.join(text.split())}")
    if outcome.state == "failed":
        talk.warn(f"{name}: failed. {outcome.text}")
    elif outcome.state == "no vote":
        talk.warn(
            f"{name}: masks written in {outcome.seconds:.1f} s; no vote, PD_pred.txt is "
            f"{outcome.vote} as a stand-in. {outcome.text}"
        )
    elif outcome.state == "done before":
        talk.say(f"{name}: done before")
    else:
        talk.say(
            f"{name}: {outcome.vote} (P(PD) {outcome.probability_pd:.3f}), {outcome.seconds:.1f} s"
        )


def _close(talk: Talk, outcomes: Sequence[Outcome], outputs: Path, device: str) -> None:
    """Counts, times and the GPU memory that was taken."""
    states = [outcome.state for outcome in outcomes]
    failed, unvoted = states.count("failed"), states.count("no vote")
    timed = [outcome for outcome in outcomes if outcome.state in ("done", "no vote")]
    slowest = max(timed, key=lambda outcome: outcome.seconds, default=None)
    talk.event(
        "result",
        cases=len(outcomes),
        failed=failed,
        without_vote=unvoted,
        slowest=slowest and slowest.identifier,
        folder=str(outputs),
    )
    said = f"{len(outcomes) - failed} of {len(outcomes)} cases predicted, in {outputs}"
    said += f"; {unvoted} of them without a vote" if unvoted else ""
    if slowest:
        mean = sum(outcome.seconds for outcome in timed) / len(timed)
        late = sum(outcome.seconds > MOST_SECONDS for outcome in timed)
        said += f"; {mean:.1f} s a case, slowest {slowest.identifier} with {slowest.seconds:.1f} s"
        said += f"; {late} took more than the challenge's {MOST_SECONDS:.0f} s" if late else ""
    if device == "cuda":
        import torch

        gibibytes = torch.cuda.max_memory_reserved() / 2**30
        said += f"; at most {gibibytes:.1f} GiB of GPU memory"
    talk.say(f"{said}.")
