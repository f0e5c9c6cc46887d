"""``mrn bundle``: which models are installed, whether they are whole, and adding others."""

from __future__ import annotations

from typing import Annotated

import typer

from MRNLib.cli.console import ProgressStyle, Talk, out
from MRNLib.cli.options import CancelFile, Style
from MRNLib.parameters import DEFAULT_BUNDLE

group = typer.Typer(help="List, show, check, add and remove model bundles.", no_args_is_help=True)
Which = Annotated[str, typer.Argument(help="Installed bundle or bundle folder.")]


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.add_typer(group, name="bundle")


@group.command("list")
def list_bundles() -> None:
    """The bundles that come with the library, and those that were added."""
    from MRNLib.bundle import open_bundle
    from MRNLib.bundle_store import added_bundles, installed_bundles

    added = added_bundles()
    for name in installed_bundles():
        manifest = open_bundle(name).manifest
        text = f"{name}  trained on: {manifest.trained_on}  {manifest.summary}"
        out.print(text + ("  (added)" if name in added else ""), markup=False)


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


@group.command()
def add(
    source: Annotated[
        str, typer.Argument(metavar="FOLDER|ZIP|URL", help="A bundle, or where a zip of one is.")
    ],
    sha256: Annotated[
        str | None,
        typer.Option(help="SHA-256 of the zip (of manifest.json for a folder); a URL needs it."),
    ] = None,
    progress: Style = ProgressStyle.bar,
    cancel_file: CancelFile = None,
) -> None:
    """Check a bundle and keep it in the user's folder, where its name finds it.

    The folder is the one in the environment variable MRN_BUNDLES, or the system's for user data.
    """
    from MRNLib.bundle_install import add_bundle

    talk = Talk(progress)
    with talk.progress(cancel_file) as report:
        bundle = add_bundle(source, sha256, report)
    talk.event(
        "result", bundle=bundle.manifest.name, sha256=bundle.sha256, folder=str(bundle.folder)
    )
    talk.say(f"{bundle.identity} is in {bundle.folder}")


@group.command()
def remove(
    name: Annotated[str, typer.Argument(help="A bundle that was added.")],
    progress: Style = ProgressStyle.bar,
) -> None:
    """Remove a bundle that was added; the shipped one stays."""
    from MRNLib.bundle_store import remove_bundle

    talk = Talk(progress)
    folder = remove_bundle(name)
    talk.event("result", bundle=name, folder=str(folder))
    talk.say(f"Removed {folder}")
