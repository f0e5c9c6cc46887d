"""The segmentation track by itself: networks that are in no bundle yet outline a cohort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from MRNLib.casefiles import Case, UnusableCase
from MRNLib.cases import load_case
from MRNLib.challenge.layout import prediction_name
from MRNLib.errors import BundleError, InputError
from MRNLib.images import restore, write_image
from MRNLib.nuclei import MODALITIES, Modality, segmenter_inputs
from MRNLib.progress import Progress, part, silent
from MRNLib.segmentation import Segmenter


def segmenter_folder(folder: Path, modality: str) -> Path:
    """Where the import puts the network of a modality, below its ``--out`` folder."""
    return folder / f"segmenter_{modality.lower()}"


def read_segmenters(folder: Path) -> dict[Modality, Segmenter]:
    """The imported networks of a folder.

    Raises:
        InputError: It holds none.
        BundleError: One cannot be read.
    """
    folders = {modality: segmenter_folder(folder, modality) for modality in MODALITIES}
    found = {
        modality: Segmenter.from_bundle(path) for modality, path in folders.items() if path.is_dir()
    }
    if not found:
        raise InputError(
            "no trained network in the folder",
            file=folder,
            expected=" or ".join(path.name for path in folders.values()),
            remedy="import one first",
        )
    return found


def outline_cohort(
    cases: Sequence[Case | UnusableCase],
    segmenters: Mapping[Modality, Segmenter],
    out: Path,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> Iterator[tuple[str, InputError | None]]:
    """Writes ``<case>/{QSM,NM}_pred.nii.gz`` of each case; masks that are there are kept.

    Args:
        cases: The cohort; masks beside the volumes are not looked at.
        segmenters: By modality; a modality without one is left out.
        out: Receives a folder for each case.
        device: ``cpu`` or ``cuda``.
        progress: Called with the share done; may raise Cancelled.

    Yields:
        Each case's identifier, with what kept it from being outlined.

    Raises:
        BundleError: A network does not work; no case would fare better.
    """
    for number, case in enumerate(cases):
        step = part(progress, number / len(cases), (number + 1) / len(cases))
        step(0.0, case.identifier)
        try:
            if isinstance(case, UnusableCase):
                raise case.error
            _outline(case, segmenters, out / case.identifier, device, step)
        except BundleError:
            raise
        except InputError as error:
            yield case.identifier, error
        else:
            yield case.identifier, None


def _outline(
    case: Case,
    segmenters: Mapping[Modality, Segmenter],
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    targets = {modality: out / f"{prediction_name(modality)}.nii.gz" for modality in segmenters}
    todo = [modality for modality, path in targets.items() if not path.is_file()]
    if not todo:
        return
    needed = {name for modality in todo for name in segmenters[modality].channels}
    unmasked = Case(case.identifier, case.qsm, case.nm, case.t1 if "T1" in needed else None)
    images = load_case(unmasked)
    out.mkdir(parents=True, exist_ok=True)
    for number, modality in enumerate(todo):
        segmenter = segmenters[modality]
        inputs = segmenter_inputs(images, modality, segmenter.channels, "this folder")
        step = part(progress, number / len(todo), (number + 1) / len(todo))
        mask = segmenter.segment(inputs, device=device, progress=step)
        write_image(
            restore(mask, images.qsm if modality == "QSM" else images.nm), targets[modality]
        )
