"""``mrn check``: whether a case can be used, before anything is computed."""

from __future__ import annotations

import typer

from MRNLib.cli.console import ProgressStyle, Talk
from MRNLib.cli.diagnose import case_name
from MRNLib.cli.options import (
    T1,
    CancelFile,
    Name,
    Nm,
    NmMask,
    Qsm,
    QsmMask,
    SplitMerged,
    Style,
    SwapModalities,
    SwapSides,
)


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command(no_args_is_help=True)(check)


def check(
    qsm: Qsm,
    nm: Nm,
    t1: T1 = None,
    qsm_mask: QsmMask = None,
    nm_mask: NmMask = None,
    swap_modalities: SwapModalities = False,
    swap_sides: SwapSides = False,
    split_merged: SplitMerged = False,
    name: Name = None,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Read an examination and say what is wrong with it or doubtful; nothing is computed.

    Files that cannot be used end the command with code 2. Needs no PyTorch.
    """
    from MRNLib.cases import Case, load_case
    from MRNLib.quality import check_masks

    talk = Talk(progress)
    identifier = name or case_name(qsm)
    case = Case(identifier, qsm=qsm, nm=nm, t1=t1, qsm_mask=qsm_mask, nm_mask=nm_mask)
    with talk.progress(cancel_file) as report:
        images = load_case(
            case,
            swap_modalities=swap_modalities,
            swap_sides=swap_sides,
            split_merged=split_merged,
            progress=report,
        )
    warnings = list(dict.fromkeys([*images.warnings, *check_masks(images)]))
    for text in warnings:
        talk.warn(text)
    talk.event(
        "result",
        identifier=identifier,
        warnings=warnings,
        phantom=images.phantom,
        size=list(images.qsm.image.GetSize()),
        spacing=[round(mm, 4) for mm in images.qsm.image.GetSpacing()],
    )
    talk.say(f"{identifier}: can be used" + (", with the warnings above." if warnings else "."))
