"""``mrn batch``: a folder of examinations, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from MRNLib.casefiles import Case, UnusableCase
from MRNLib.cli.console import EXIT_SOME_FAILED, ProgressStyle, Talk
from MRNLib.cli.diagnose import (
    BundleName,
    Cache,
    CancelFile,
    Device,
    Exact,
    Folds,
    Jitter,
    Margin,
    MaskRoi,
    Out,
    Precision,
    SplitMerged,
    Style,
    SwapModalities,
    SwapSides,
    Tta,
)
from MRNLib.errors import BundleError, InputError
from MRNLib.parameters import DEFAULT_BUNDLE, Parameters, parse_folds
from MRNLib.progress import Progress, part
from MRNLib.writing import require_folder

if TYPE_CHECKING:
    from MRNLib.diagnosis import Diagnoser


@dataclass(frozen=True)
class Entry:
    """One row of the table: P(PD) and the decision, or why there is none."""

    identifier: str
    state: Literal["done", "done before", "failed"]
    probability_pd: float | None = None
    decision: str = ""
    text: str = ""


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command(no_args_is_help=True)(batch)


def batch(
    folder: Annotated[
        Path, typer.Argument(help="Holds a folder for each case, with QSM.nii.gz and NM.nii.gz.")
    ],
    out: Out,
    given_masks: Annotated[
        bool, typer.Option(help="Use masks that lie beside the volumes.")
    ] = True,
    mask_roi: MaskRoi = None,
    bundle: BundleName = DEFAULT_BUNDLE,
    folds: Folds = "",
    margin: Margin = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    tta: Tta = False,
    jitter: Jitter = True,
    exact: Exact = False,
    cache: Cache = None,
    swap_modalities: SwapModalities = False,
    swap_sides: SwapSides = False,
    split_merged: SplitMerged = False,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> int:
    """Diagnose every case of a folder; each gets a folder of its name in --out.

    A case that cannot be used is reported and the others go on; the command then ends with code 3.
    Cases that were done with the same files and settings are passed over.
    """
    require_folder(out)
    talk = Talk(progress)
    parameters = Parameters(
        bundle=bundle,
        folds=parse_folds(folds),
        margin_mm=margin,
        device=device,
        precision=precision,
        tta=tta,
        exact_segmentation=exact,
        jitter=jitter,
        masked=tuple(mask_roi or ()),
        cache=cache,
        swap_modalities=swap_modalities,
        swap_sides=swap_sides,
        split_merged=split_merged,
    )
    return run_batch(talk, folder, out, parameters, given_masks, cancel_file)


def run_batch(
    talk: Talk,
    folder: Path,
    out: Path,
    parameters: Parameters,
    given_masks: bool,
    cancel_file: Path | None,
) -> int:
    """Works through the cases and returns the exit code."""
    from MRNLib.casefiles import survey_cohort
    from MRNLib.cli.tables import batch_table
    from MRNLib.diagnosis import Diagnoser

    found = survey_cohort(folder)
    unmasked: dict[str, Any] = {} if given_masks else {"qsm_mask": None, "nm_mask": None}
    entries = []
    with talk.progress(cancel_file) as report:
        diagnoser = Diagnoser(parameters)
        for number, case in enumerate(found):
            step = part(report, number / len(found), (number + 1) / len(found))
            if isinstance(case, Case):
                case = replace(case, **unmasked)
            entry = _diagnose(diagnoser, case, out / case.identifier, step)
            entries.append(entry)
            _tell(talk, entry)
    failed = sum(entry.state == "failed" for entry in entries)
    talk.event("result", cases=len(entries), failed=failed, folder=str(out))
    talk.show(batch_table([_cells(entry) for entry in entries]))
    talk.say(f"{len(entries) - failed} of {len(entries)} cases done, in {out}")
    return EXIT_SOME_FAILED if failed else 0


def _diagnose(
    diagnoser: Diagnoser, case: Case | UnusableCase, out: Path, progress: Progress
) -> Entry:
    """One case; whatever is wrong with its files is the entry's text."""
    from MRNLib.finished import finished_result

    name = case.identifier
    progress(0.0, name)
    if isinstance(case, UnusableCase):
        return Entry(name, "failed", text=str(case.error))
    known = finished_result(out, case, diagnoser.parameters)
    if known is not None:
        return Entry(name, "done before", known["probability_pd"], known["decision"])
    try:
        diagnosis = diagnoser.diagnose(
            case, lambda fraction, message: progress(fraction, f"{name}: {message}")
        )
        diagnosis.write(out)
    except BundleError:
        raise  # no other case would fare better
    except InputError as error:
        return Entry(name, "failed", text=str(error))
    shown = diagnosis.examination
    return Entry(name, "done", shown.probability_pd, shown.decision)


def _tell(talk: Talk, entry: Entry) -> None:
    talk.event(
        "case",
        identifier=entry.identifier,
        state=entry.state,
        probability_pd=entry.probability_pd,
        decision=entry.decision,
        text=entry.text,
    )
    if entry.state == "failed" and talk.style is not ProgressStyle.json:
        talk.warn(f"{entry.identifier} was left out. {entry.text}")


def _cells(entry: Entry) -> Sequence[str]:
    probability = "" if entry.probability_pd is None else f"{entry.probability_pd:.2f}"
    return entry.identifier, entry.state, probability, entry.decision
