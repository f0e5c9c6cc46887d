"""``mrn evaluate``: the figures of a model card, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.console import ProgressStyle, Talk
from MRNLib.parameters import DEFAULT_BUNDLE
from MRNLib.writing import require_folder


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(evaluate)


def evaluate(
    bundle: Annotated[
        str, typer.Option(help="Installed bundle or bundle folder.")
    ] = DEFAULT_BUNDLE,
    number: Annotated[int, typer.Option(min=20, help="Held-out phantoms to classify.")] = 400,
    segmented: Annotated[
        int, typer.Option(min=0, help="How many of them are outlined by the bundle as well.")
    ] = 100,
    out: Annotated[
        Path, typer.Option(help="Folder for card.md and records.jsonl; goes on where it stopped.")
    ] = Path("evaluation"),
    workers: Annotated[int, typer.Option(min=1, help="Processes of one thread each.")] = 2,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps masks for bundles of one segmenter.")
    ] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Put the card into the bundle.")
    ] = False,
    progress: ProgressStyle = ProgressStyle.bar,
) -> None:
    """Measure a bundle on held-out digital patients and print its card.

    The patients' seeds are set apart: no model is trained or tuned on them.
    """
    from MRNLib.bundle import open_bundle
    from MRNLib.bundle_export import update_bundle
    from MRNLib.card import card
    from MRNLib.errors import InputError
    from MRNLib.evaluation import evaluate as measure
    from MRNLib.phantom import HELD_OUT_SEEDS
    from MRNLib.writing import replaced

    if 0 < segmented < 20:
        raise InputError(
            f"--segmented {segmented} is too few for an AUC.", expected="0, or 20 and more"
        )
    require_folder(out)
    talk = Talk(progress)
    opened = open_bundle(bundle)
    with talk.progress() as report:
        records = measure(
            opened,
            HELD_OUT_SEEDS[:number],
            segmented=segmented,
            records_file=out / "records.jsonl",
            workers=workers,
            cache=cache,
            progress=report,
        )
    command = f"mrn evaluate --number {number} --segmented {segmented}"
    text = card(opened, records, command)
    with replaced(out / "card.md") as partial:
        partial.write_text(text, encoding="utf-8")
    if write_card:
        update_bundle(opened, card=text)
    talk.event("result", card=str(out / "card.md"))
    talk.say(text)
