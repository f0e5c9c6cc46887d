"""``mrn segment`` and ``mrn diagnose``: one examination."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MRNLib.boxes import Box
from MRNLib.cli.console import ProgressStyle, Talk
from MRNLib.cli.options import (
    T1,
    BundleName,
    Cache,
    CancelFile,
    Device,
    Exact,
    Name,
    Nm,
    NmMask,
    Out,
    Qsm,
    QsmMask,
    Settings,
    Style,
    SwapModalities,
    with_settings,
)
from MRNLib.parameters import DEFAULT_BUNDLE, Parameters
from MRNLib.writing import require_folder

if TYPE_CHECKING:
    from MRNLib.diagnosis import Diagnosis


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command(no_args_is_help=True)(segment)
    app.command(no_args_is_help=True)(diagnose)


def segment(
    qsm: Qsm,
    nm: Nm,
    out: Out,
    t1: T1 = None,
    bundle: BundleName = DEFAULT_BUNDLE,
    device: Device = "auto",
    exact: Exact = False,
    cache: Cache = None,
    swap_modalities: SwapModalities = False,
    name: Name = None,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Outline the 16 nuclei in the QSM and the substantia nigra in the NM volume."""
    from MRNLib.cases import Case
    from MRNLib.diagnosis import Diagnoser

    require_folder(out)
    talk = Talk(progress)
    parameters = Parameters(
        bundle=bundle,
        device=device,
        exact_segmentation=exact,
        cache=cache,
        swap_modalities=swap_modalities,
    )
    case = Case(name or case_name(qsm), qsm=qsm, nm=nm, t1=t1)
    with talk.progress(cancel_file) as report:
        outlined = Diagnoser(parameters).outline(case, report)
        files = outlined.write(out)
    for text in outlined.warnings:
        talk.warn(text)
    talk.event("result", files={key: str(path) for key, path in files.items()})
    talk.say("\n".join(f"{key}: {path}" for key, path in files.items()))


@with_settings
def diagnose(
    qsm: Qsm,
    nm: Nm,
    out: Out,
    t1: T1 = None,
    qsm_mask: QsmMask = None,
    nm_mask: NmMask = None,
    roi: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=i0:i1,j0:j1,k0:k1 replaces a ROI's box (voxels, ends excluded, LPS grid)."
        ),
    ] = None,
    *,
    settings: Settings,
    name: Name = None,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Classify one examination, measure its robustness and write the report.

    The folder given with --out receives diagnosis.json, report.html, biomarkers.csv, the masks and
    the figures. Research use only. Not for clinical use.
    """
    from MRNLib.cases import Case
    from MRNLib.diagnosis import Diagnoser

    require_folder(out)
    talk = Talk(progress)
    parameters = replace(settings(), boxes=parse_boxes(roi or []))
    case = Case(name or case_name(qsm), qsm=qsm, nm=nm, t1=t1, qsm_mask=qsm_mask, nm_mask=nm_mask)
    with talk.progress(cancel_file) as report:
        diagnosis = Diagnoser(parameters).diagnose(case, report)
        files = diagnosis.write(out)
    show(talk, diagnosis, files)


def show(talk: Talk, diagnosis: Diagnosis, files: dict[str, Path]) -> None:
    """The result on the terminal, or as one JSON line."""
    from MRNLib.cli.tables import examination_table

    examination = diagnosis.examination
    for text in examination.warnings:
        talk.warn(text)
    talk.event(
        "result",
        probability_pd=examination.probability_pd,
        decision=examination.decision,
        headline=examination.headline,
        files={key: str(path) for key, path in files.items()},
    )
    talk.show(examination_table(examination))
    talk.say(f"Report: {files['report.html']}")


def parse_boxes(texts: list[str]) -> dict[str, Box]:
    """``["NM=130:170,140:160,20:26"]`` as boxes by ROI name."""
    from MRNLib.errors import InputError

    boxes: dict[str, Box] = {}
    for text in texts:
        name, equals, box = text.partition("=")
        if not equals:
            raise InputError(
                f"--roi {text!r} is not a ROI with its box.",
                expected="NAME=i0:i1,j0:j1,k0:k1, e.g. NM=130:170,140:160,20:26",
            )
        boxes[name.strip()] = Box.parse(box)
    return boxes


def case_name(path: Path) -> str:
    """A case's name from its QSM file: the folder's name in the challenge's layout."""
    stem = path.name.split(".")[0]
    generic = stem.lower() in ("qsm", "")
    return (path.resolve().parent.name if generic else stem) or "case"
