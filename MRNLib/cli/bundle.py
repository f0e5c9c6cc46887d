"""``mrn bundle``: which models are installed, what they are, and whether they are whole."""

from __future__ import annotations

from typing import Annotated

import typer

from MRNLib.cli.console import out
from MRNLib.parameters import DEFAULT_BUNDLE

group = typer.Typer(help="List, show and check model bundles.", no_args_is_help=True)
Which = Annotated[str, typer.Argument(help="Installed bundle or bundle folder.")]


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.add_typer(group, name="bundle")


@group.command("list")
def list_bundles() -> None:
    """The bundles that come with the library."""
    from MRNLib.bundle import installed_bundles, open_bundle

    for name in installed_bundles():
        manifest = open_bundle(name).manifest
        out.print(f"{name}  trained on: {manifest.trained_on}  {manifest.summary}", markup=False)


@group.command()
def show(bundle: Which = DEFAULT_BUNDLE) -> None:
    """The model card."""
    from rich.console import Console
    from rich.markdown import Markdown

    from MRNLib.bundle import open_bundle

    # The other consoles do not wrap, so that paths stay whole; they would cut the card.
    Console(highlight=False).print(Markdown(open_bundle(bundle).card()))


@group.command()
def check(bundle: Which = DEFAULT_BUNDLE) -> None:
    """Read every file against its hash and load every model."""
    from MRNLib.bundle import open_bundle
    from MRNLib.segmentation import Segmenter

    opened = open_bundle(bundle)
    for fold in opened.manifest.folds:
        opened.encoder(fold)
    for modality in opened.manifest.segmenters:
        Segmenter.from_bundle(opened.segmenter_folder(modality))
    opened.card()
    size = sum(item.size for item in opened.manifest.files.values())
    out.print(
        f"{opened.identity}: {len(opened.manifest.files)} files, {size / 1e6:.1f} MB, all whole.",
        markup=False,
    )
