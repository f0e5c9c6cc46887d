"""What a user can set for one run: one dataclass behind the command line and the Slicer panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from MRNLib.anatomy import ROI_NAMES
from MRNLib.errors import InputError
from MRNLib.rois import WITH_NIGRA, Box

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("fp32", "bf16")
DEFAULT_BUNDLE = "phantom-tiny"
# What commands take of the settings; ``mrn diagnose`` takes them all.
SETTINGS = {
    "segment": ("bundle", "device", "exact_segmentation", "cache", "swap_modalities"),
    "check": ("swap_modalities", "swap_sides", "split_merged"),
}


@dataclass(frozen=True)
class Parameters:
    """Settings of one diagnosis.

    Attributes:
        bundle: Name of an installed bundle or the path of a bundle folder.
        folds: Which of the bundle's folds vote; empty means all.
        margin_mm: In-plane margin around the nuclei in a ROI's box; ``None`` takes the bundle's.
        device: ``auto`` takes a CUDA GPU when there is one.
        precision: Arithmetic of the encoder. It is set, never chosen by timing.
        tta: Test-time augmentation: the left-right mirror is averaged in.
        exact_segmentation: Run every tile of the volume, as ``nnUNetv2_predict`` does.
        jitter: Also measure how the probability moves when the boxes move by one and two voxels.
        boxes: Boxes that replace the ones computed from the masks, by ROI name.
        masked: ROIs to leave out, by name.
        cache: Folder of the token and mask cache; ``None`` keeps nothing between runs.
        swap_modalities: Take the file given as QSM as the NM volume and the other way round.
        swap_sides: The given masks number the sides the other way round (odd is left).
        split_merged: The given masks have one label for both sides; split them at the midline.
    """

    bundle: str = DEFAULT_BUNDLE
    folds: tuple[int, ...] = ()
    margin_mm: float | None = None
    device: str = "auto"
    precision: str = "fp32"
    tta: bool = False
    exact_segmentation: bool = False
    jitter: bool = True
    boxes: Mapping[str, Box] = field(default_factory=dict)
    masked: tuple[str, ...] = ()
    cache: Path | None = None
    swap_modalities: bool = False
    swap_sides: bool = False
    split_merged: bool = False

    def __post_init__(self) -> None:
        for name in (*self.boxes, *self.masked):
            if name not in ROI_NAMES:
                raise InputError(
                    f"There is no ROI named {name!r}.", expected=f"one of {', '.join(ROI_NAMES)}"
                )
        if set(WITH_NIGRA) <= set(self.masked):
            raise InputError(
                "NM and QSM2, the two ROIs with the substantia nigra, would both be left out.",
                expected="at least one of them",
                remedy="the masking table of any diagnosis shows what the model says without them",
            )
        if len(set(self.folds)) != len(self.folds):
            raise InputError("A fold was named twice.", expected="each fold once, such as 0,2")
        if self.device not in DEVICES:
            raise InputError(f"Unknown device {self.device!r}.", expected=", ".join(DEVICES))
        if self.precision not in PRECISIONS:
            raise InputError(
                f"Unknown precision {self.precision!r}.", expected=", ".join(PRECISIONS)
            )
        if self.margin_mm is not None and not 0 <= self.margin_mm <= 50:
            raise InputError(
                f"A ROI margin of {self.margin_mm:g} mm was asked for.", expected="0 to 50 mm"
            )

    def to_arguments(self, command: str = "diagnose") -> list[str]:
        """The settings as options of ``mrn``; a setting at its default has none.

        Args:
            command: ``diagnose``, or ``segment`` or ``check``, which take some of the settings.
        """
        taken = SETTINGS.get(command, tuple(entry.name for entry in fields(self)))
        standard = Parameters()
        return [
            option
            for name in taken
            if getattr(self, name) != getattr(standard, name)
            for option in _options(name, getattr(self, name))
        ]

    def to_jsonable(self) -> dict[str, Any]:
        """The settings as JSON values, boxes as text."""
        return asdict(self) | {
            "folds": list(self.folds),
            "boxes": {name: str(box) for name, box in self.boxes.items()},
            "masked": list(self.masked),
            "cache": None if self.cache is None else str(self.cache),
        }


def parse_folds(text: str) -> tuple[int, ...]:
    """``"0, 2"`` as ``(0, 2)``; empty text as no choice, which means all.

    Raises:
        InputError: It is no list of numbers.
    """
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a list of folds",
            expected="numbers with commas, such as 0,2; nothing for all",
        ) from error


def _options(name: str, value: Any) -> list[str]:
    """The options of one setting; ``=`` keeps a value that starts with a dash a value."""
    match name:
        case "folds":
            return [f"--folds={','.join(map(str, value))}"]
        case "margin_mm":
            return [f"--margin={value!r}"]
        case "exact_segmentation":
            return ["--exact"]
        case "boxes":
            return [f"--roi={roi}={box}" for roi, box in value.items()]
        case "masked":
            return [f"--mask-roi={roi}" for roi in value]
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}={value}"]
