"""Small cases for the scores: blocks as nuclei, predictions that are moved, lost and scattered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

SHAPE = (14, 48, 48)
SPACING = (0.6667, 0.6667, 2.0)
COUNTS = {"QSM": 16, "NM": 2}
NAMES = ("RJPD_001", "RJPD_002", "RJPD_003")


def blocks(count: int, number: int = 0, moved: bool = False) -> np.ndarray:
    """A label map with one block for each label; a moved one differs from label to label."""
    result = np.zeros(SHAPE, np.uint8)
    for label in range(1, count + 1):
        row, column = divmod(label - 1, 4)
        start = np.array([4, 3 + 11 * row, 3 + 11 * column])
        if moved:
            start += ((label + number) % 3 - 1, label % 4 - 1, (label + number) % 5 - 2)
        size = (3 + (label + number) % 3, 4 + label % 4, 5 + (label + number) % 3)
        stop = start + size
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        result[box] = label
    return result


def predicted(modality: str, number: int) -> np.ndarray:
    """A prediction: all blocks moved; case 1 lacks the right STN and has a stray red nucleus."""
    result = blocks(COUNTS[modality], number, moved=True)
    if modality == "QSM" and number == 1:
        result[result == 9] = 0
        result[0, 46, 47] = 14
    return result


def true(modality: str, number: int) -> np.ndarray:
    """The truth."""
    return blocks(COUNTS[modality], number)


def write_mask(path: Path, array: np.ndarray, spacing=SPACING) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)


def write_cases(folder: Path) -> tuple[Path, Path]:
    """Three cases: folders of truth, with a table of diagnoses, and of predictions.

    The third has no left NM substantia nigra in either mask.
    """
    truth, predictions = folder / "truth", folder / "predictions"
    for number, name in enumerate(NAMES):
        for modality in COUNTS:
            arrays = {"mask": true(modality, number), "pred": predicted(modality, number)}
            if modality == "NM" and number == 2:
                for array in arrays.values():
                    array[array == 2] = 0
            for home, (ending, array) in zip((truth, predictions), arrays.items(), strict=True):
                write_mask(home / name / f"{modality}_{ending}.nii.gz", array)
    rows = ["id,diagnosis", *(f"{name},{number % 2}" for number, name in enumerate(NAMES))]
    (truth / "labels.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return truth, predictions


def answer(predictions: Path, name: str, said: str, probability: str | None = None) -> None:
    """Writes a case's diagnosis."""
    (predictions / name / "PD_pred.txt").write_text(f"{said}\n", "utf-8")
    if probability is not None:
        (predictions / name / "PD_prob.txt").write_text(f"{probability}\n", "utf-8")
