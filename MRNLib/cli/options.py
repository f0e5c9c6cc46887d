"""Options that several commands have, and the settings of a run that are made of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from MRNLib.cli.console import ProgressStyle
from MRNLib.parameters import DEFAULT_BUNDLE, DEVICES, PRECISIONS, Parameters, parse_folds

Qsm = Annotated[
    Path, typer.Option(help="Susceptibility map (NIfTI, NRRD, MHA or a DICOM folder), ppb or ppm.")
]
Nm = Annotated[Path, typer.Option(help="Neuromelanin-sensitive volume.")]
T1 = Annotated[
    Path | None,
    typer.Option(help="T1-weighted volume; used only if the bundle's segmenter was trained on it."),
]
QsmMask = Annotated[
    Path | None, typer.Option(help="Mask of the 16 nuclei, used as it is instead of segmenting.")
]
NmMask = Annotated[Path | None, typer.Option(help="Mask of the NM substantia nigra, likewise.")]
BundleName = Annotated[str, typer.Option(help="Installed bundle or bundle folder.")]
Device = Annotated[str, typer.Option(help="One of " + ", ".join(DEVICES) + ".")]
Out = Annotated[Path, typer.Option(help="Folder for the results; made if missing.")]
Style = Annotated[ProgressStyle, typer.Option(help="A bar for people, JSON lines for programs.")]
Name = Annotated[str | None, typer.Option(help="The case's name; by default from the file.")]
CancelFile = Annotated[
    Path | None, typer.Option(help="Stop cleanly as soon as this file exists.", hidden=True)
]
Exact = Annotated[
    bool, typer.Option("--exact", help="Segment the whole volume, as nnUNetv2_predict does.")
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder that keeps tokens and masks between runs.")
]
Folds = Annotated[str, typer.Option(help="Folds that vote, such as 0,2; all by default.")]
Margin = Annotated[
    float | None, typer.Option(help="Margin of the boxes in mm; the bundle's by default.")
]
Precision = Annotated[
    str, typer.Option(help="Encoder arithmetic: " + " or ".join(PRECISIONS) + ".")
]
Tta = Annotated[bool, typer.Option("--tta", help="Average in the left-right mirror.")]
Jitter = Annotated[bool, typer.Option(help="Also move the boxes by 1 and 2 voxels.")]
MaskRoi = Annotated[list[str] | None, typer.Option(help="Leave a ROI out: NM, QSM1, QSM2 or QSM3.")]
SwapModalities = Annotated[
    bool, typer.Option("--swap-modalities", help="The QSM and NM files have changed places.")
]
SwapSides = Annotated[
    bool, typer.Option("--swap-sides", help="In the given masks odd labels are the left side.")
]
SplitMerged = Annotated[
    bool,
    typer.Option(
        "--split-merged", help="The given masks merge left and right; split at the midline."
    ),
]

Returned = TypeVar("Returned")
Settings = Callable[[], Parameters]


def settings_of(
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
) -> Parameters:
    """The options that make up a run's settings."""
    return Parameters(
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


def with_settings(command: Callable[..., Returned]) -> Callable[..., Returned]:
    """``command`` with the options of :func:`settings_of` in place of its parameter ``settings``.

    Typer makes options of a signature, so that a list of them can be shared only by way of it. The
    command gets a function: it is called once there is somebody to say what is wrong with them.
    """
    shared = inspect.signature(settings_of, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def run(**values: Any) -> Returned:
        chosen = {name: values.pop(name) for name in shared}
        return command(**values, settings=functools.partial(settings_of, **chosen))

    options: list[inspect.Parameter] = []
    for name, option in own.parameters.items():
        options += shared.values() if name == "settings" else [option]
    by_name = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    run.__signature__ = own.replace(parameters=by_name)  # type: ignore[attr-defined]
    return run
