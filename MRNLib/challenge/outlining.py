"""The segmentation track by itself: networks that are in no bundle yet outline a cohort."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from MRNLib.casefiles import Case, UnusableCase
from MRNLib.cases import load_case
from MRNLib.challenge.layout import prediction_name
from MRNLib.errors import BundleError, InputError
from MRNLib.files import sha256
from MRNLib.nnunet.commands import Workspace, held_out_by
from MRNLib.nnunet.dataset import dataset_name
from MRNLib.nnunet.stored import StoredNetwork, load
from MRNLib.nuclei import MODALITIES, Modality, segmenter_inputs, write_mask
from MRNLib.progress import Progress, part, silent
from MRNLib.segmentation import Segmenter
from MRNLib.writing import replaced

# The networks that outline a case, by its identifier.
Networks = Callable[[str], Mapping[Modality, Segmenter]]
# Below a folder of masks: which networks made them.
RECORD = "networks.json"


def segmenter_folder(folder: Path, modality: str) -> Path:
    """Where the import puts the network of a modality, below its ``--out`` folder."""
    return folder / f"segmenter_{modality.lower()}"


def all_folds(folder: Path) -> Networks:
    """For every case the imported networks of a folder, with all their folds.

    Raises:
        InputError: It holds none.
        BundleError: One cannot be read.
    """
    paths = _segmenter_folders(folder)
    found = {modality: Segmenter.from_bundle(path) for modality, path in paths.items()}
    return lambda identifier: found


def _segmenter_folders(folder: Path) -> dict[Modality, Path]:
    folders = {modality: segmenter_folder(folder, modality) for modality in MODALITIES}
    found = {modality: path for modality, path in folders.items() if path.is_dir()}
    if not found:
        raise InputError(
            "no trained network in the folder",
            file=folder,
            expected=" or ".join(path.name for path in folders.values()),
            remedy="import one first",
        )
    return found


def out_of_fold(folder: Path, workspace: Workspace) -> Networks:
    """For each case of a training the folds that were not trained on it.

    Their outlines stand for those of a new patient: boxes of training crops are made from them
    (``prepare_crops.py --predicted``).

    Args:
        folder: The imported networks.
        workspace: Where they were trained.

    Raises:
        InputError: The folder holds none, or the split is missing.
        BundleError: A network cannot be read, or has a fold that is not in the split.
    """
    found: dict[Modality, tuple[StoredNetwork, dict[str, int]]] = {}
    for modality, path in _segmenter_folders(folder).items():
        stored = load(path)
        held_out = held_out_by(workspace, dataset_name(modality), stored.settings.folds)
        found[modality] = stored, held_out

    def networks(identifier: str) -> dict[Modality, Segmenter]:
        chosen = {}
        for modality, (stored, held_out) in found.items():
            if identifier not in held_out:
                raise InputError(f"{modality}: no trained fold held this case out")
            fold = stored.folds[held_out[identifier]]
            chosen[modality] = Segmenter(replace(stored, folds=(fold,)))
        return chosen

    return networks


def claim(out: Path, folder: Path, *, out_of_fold: bool) -> None:
    """Notes in ``out`` which networks outline; refuses a folder with masks of others.

    Raises:
        InputError: ``out`` has masks, and not of these networks used in this way.
        BundleError: The folder of networks holds none.
    """
    record: dict[str, Any] = {"out_of_fold": out_of_fold}
    for modality, path in _segmenter_folders(folder).items():
        record[modality] = sha256(path)
    text, file = json.dumps(record, indent=1) + "\n", out / RECORD
    if file.is_file():
        same = file.read_text(encoding="utf-8") == text
    else:
        same = not any(any(out.glob(f"*/{_file_name(modality)}")) for modality in MODALITIES)
    if not same:
        raise InputError(
            "the folder holds masks of other networks, or made with or without --work",
            file=out,
            remedy="name another --out folder",
        )
    out.mkdir(parents=True, exist_ok=True)
    with replaced(file) as partial:
        partial.write_text(text, encoding="utf-8")


def outline_cohort(
    cases: Sequence[Case | UnusableCase],
    networks: Networks,
    out: Path,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> Iterator[tuple[str, InputError | None]]:
    """Writes ``<case>/{QSM,NM}_pred.nii.gz`` of each case; masks that are there are kept.

    Args:
        cases: The cohort; masks beside the volumes are not looked at.
        networks: The networks of a case, by modality; a modality without one is left out.
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
            _outline(case, networks(case.identifier), out / case.identifier, device, step)
        except BundleError:
            raise
        except InputError as error:
            yield case.identifier, error
        else:
            yield case.identifier, None


def _file_name(modality: Modality) -> str:
    return f"{prediction_name(modality)}.nii.gz"


def _outline(
    case: Case,
    segmenters: Mapping[Modality, Segmenter],
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    targets = {modality: out / _file_name(modality) for modality in segmenters}
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
        volume = images.qsm if modality == "QSM" else images.nm
        write_mask(mask, volume, targets[modality], phantom=images.phantom)
