"""Putting trained folds and segmenters together into a bundle, and its card beside its figures."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from MRNLib.bundle import Bundle, open_bundle
from MRNLib.bundle_store import CARD
from MRNLib.errors import InputError
from MRNLib.manifest import (
    FORMAT,
    CalibrationSettings,
    Manifest,
    SegmenterEntry,
    StoredFile,
    TrainingFacts,
    encoder_file,
    head_file,
)
from MRNLib.models.config import MrnConfig
from MRNLib.models.heads import HEAD_PREFIX
from MRNLib.writing import replaced, replaced_folder

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BundleParts:
    """What goes into a bundle.

    Attributes:
        folds: Inference tensors of each fold, by fold number.
        segmenters: Folder of each imported nnU-Net, by modality.
        absent_roi_shapes: Median native crop shape of each ROI in training.
    """

    name: str
    version: str
    trained_on: Literal["phantom", "human"]
    summary: str
    model: MrnConfig
    folds: Mapping[int, Mapping[str, Tensor]]
    segmenters: Mapping[Literal["QSM", "NM"], Path]
    margin_mm: float
    margin_slices: int
    absent_roi_shapes: Mapping[str, tuple[int, int, int]]


UNCALIBRATED = CalibrationSettings(
    temperature=1.0, abstain_low=0.5, abstain_high=0.5, source="not calibrated"
)


def write_bundle(
    parts: BundleParts,
    destination: Path,
    calibration: CalibrationSettings = UNCALIBRATED,
    card: str = "",
) -> Bundle:
    """Writes a bundle folder whole, replacing one that was there; weights in half precision.

    Raises:
        InputError: ``destination`` holds something that is not a bundle.
    """
    from safetensors.torch import save

    require_destination(destination)
    with replaced_folder(destination) as folder:
        (folder / "mrn").mkdir()
        for fold, state in parts.folds.items():
            head = {k: v.half().contiguous() for k, v in state.items() if k.startswith(HEAD_PREFIX)}
            rest = {k: v.half().contiguous() for k, v in state.items() if k not in head}
            (folder / head_file(fold)).write_bytes(save(head))
            (folder / encoder_file(fold)).write_bytes(save(rest))
        for modality, source in parts.segmenters.items():
            shutil.copytree(source, folder / f"segmenter_{modality.lower()}")
        (folder / CARD).parent.mkdir()
        (folder / CARD).write_text(card, encoding="utf-8")
        manifest = Manifest(
            format=FORMAT,
            name=parts.name,
            version=parts.version,
            trained_on=parts.trained_on,
            summary=parts.summary,
            model=parts.model,
            folds=tuple(sorted(parts.folds)),
            margin_mm=parts.margin_mm,
            margin_slices=parts.margin_slices,
            absent_roi_shapes=dict(parts.absent_roi_shapes),
            calibration=calibration,
            segmenters={
                modality: SegmenterEntry(
                    folder=f"segmenter_{modality.lower()}", channels=_channels(source)
                )
                for modality, source in parts.segmenters.items()
            },
            files=_stored_files(folder),
        )
        _write_manifest(folder, manifest)
    return open_bundle(destination)


def require_destination(destination: Path) -> None:
    """Refuses a folder that holds something else, which writing a bundle would delete.

    Raises:
        InputError: It does.
    """
    if destination.exists() and not (destination / "manifest.json").is_file():
        raise InputError(
            "The destination exists and is not a bundle.",
            file=destination,
            remedy="name a folder that does not exist yet",
        )


def move_bundle(bundle: Bundle, destination: Path) -> Bundle:
    """Puts a finished bundle in the place of another one, or where none was."""
    require_destination(destination)
    with replaced_folder(destination) as folder:
        shutil.copytree(bundle.folder, folder, dirs_exist_ok=True)
    return open_bundle(destination)


def update_bundle(
    bundle: Bundle,
    *,
    calibration: CalibrationSettings | None = None,
    training: TrainingFacts | None = None,
    card: str | None = None,
) -> Bundle:
    """Sets a bundle's calibration, training facts or card and writes its manifest anew."""
    manifest = bundle.manifest
    if card is not None:
        with replaced(bundle.folder / CARD) as partial:
            partial.write_text(card, encoding="utf-8")
        stored = _stored(bundle.folder / CARD)
        manifest = manifest.model_copy(update={"files": {**manifest.files, CARD: stored}})
    if calibration is not None:
        manifest = manifest.model_copy(update={"calibration": calibration})
    if training is not None:
        manifest = manifest.model_copy(update={"training": training})
    _write_manifest(bundle.folder, manifest)
    return open_bundle(bundle.folder)


def _channels(segmenter: Path) -> tuple[Any, ...]:
    """nnU-Net's channels in their order."""
    names = json.loads((segmenter / "dataset.json").read_text("utf-8"))["channel_names"]
    return tuple(names[key] for key in sorted(names, key=int))


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    text = json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n"
    with replaced(folder / "manifest.json") as partial:
        partial.write_text(text, encoding="utf-8")


def _stored_files(folder: Path) -> dict[str, StoredFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _stored(path) for path in paths}


def _stored(path: Path) -> StoredFile:
    data = path.read_bytes()
    return StoredFile(size=len(data), sha256=hashlib.sha256(data).hexdigest())
