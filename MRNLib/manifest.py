"""``manifest.json`` of a bundle: what the model is, and size and SHA-256 of every other file."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from MRNLib.anatomy import ROI_NAMES
from MRNLib.models.config import MrnConfig

FORMAT: Final = "mrn-bundle-1"
# Beside its folds, what every segmenter has (MRNLib.nnunet.stored reads them).
SEGMENTER_FILES = ("plans.json", "dataset.json", "settings.json")


def encoder_file(fold: int) -> str:
    """Path of a fold's encoder inside the bundle."""
    return f"mrn/fold_{fold}.encoder.safetensors"


def head_file(fold: int) -> str:
    """Path of a fold's classification head inside the bundle."""
    return f"mrn/fold_{fold}.head.safetensors"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredFile(_Strict):
    """Size in bytes and SHA-256 of one file of the bundle."""

    size: int
    sha256: str


class CalibrationSettings(_Strict):
    """How a fold's logits become a probability, and where the bundle abstains.

    The temperature divides the logits (Guo et al. 2017). A probability strictly between the two
    limits is reported as undecided.
    """

    temperature: float = Field(gt=0)
    abstain_low: float = Field(ge=0, le=0.5)
    abstain_high: float = Field(ge=0.5, le=1)
    source: str


class SegmenterEntry(_Strict):
    """A segmenter's folder in the bundle, and the volumes it looks at, in order."""

    folder: str
    channels: tuple[Literal["QSM", "NM", "T1"], ...]


class TrainingFacts(_Strict):
    """On whom the folds were trained, and what they are worth on patients they had not seen.

    Attributes:
        patients: Different patients that the folds were made of.
        hc: How many of them have no disease.
        pd: How many have Parkinson's disease.
        merged: Whether the validation set is among them.
        split: Folds they were dealt to; a bundle may hold fewer.
        seed: Of that split.
        source: Whose votes the figures and the temperature come from: ``out of fold``, one fold's
            on each patient that it held out; ``validation``, all folds' on other patients.
        measured: Patients behind the figures.
        figures: Value and 95 % interval of each measure, calibrated.
    """

    patients: int = Field(gt=0)
    hc: int = Field(ge=0)
    pd: int = Field(ge=0)
    merged: bool
    split: int = Field(gt=0)
    seed: int
    source: Literal["out of fold", "validation"]
    measured: int = Field(gt=0)
    figures: dict[str, tuple[float, float, float]]


class Manifest(_Strict):
    """``manifest.json``."""

    format: Literal["mrn-bundle-1"]
    name: str
    version: str
    trained_on: Literal["phantom", "human"]
    summary: str
    model: MrnConfig
    folds: tuple[int, ...]
    margin_mm: float
    margin_slices: int
    # Native crop shape [slices, height, width] that an absent ROI is given (training median).
    absent_roi_shapes: dict[str, tuple[int, int, int]]
    calibration: CalibrationSettings
    # None in bundles of before it was recorded.
    training: TrainingFacts | None = None
    segmenters: dict[Literal["QSM", "NM"], SegmenterEntry]
    files: dict[str, StoredFile]

    @model_validator(mode="after")
    def _complete(self) -> Manifest:
        missing = [roi for roi in ROI_NAMES if roi not in self.absent_roi_shapes]
        if missing:
            raise ValueError(f"no shape for an absent {', '.join(missing)}")
        if not self.folds or len(set(self.folds)) != len(self.folds):
            raise ValueError("there has to be a fold, and none twice")
        for fold in self.folds:
            for name in (encoder_file(fold), head_file(fold)):
                if name not in self.files:
                    raise ValueError(f"fold {fold} is listed without its file {name}")
        for modality, entry in self.segmenters.items():
            for name in SEGMENTER_FILES:
                if f"{entry.folder}/{name}" not in self.files:
                    raise ValueError(f"the {modality} segmenter is listed without its {name}")
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                raise ValueError(f"{name} leaves the bundle")
        return self
