"""Where the challenge wants predictions and keeps the truth: names of files in a case's folder.

Source: ``submission/Submission.md`` and ``metric.py`` of the organisers' repository
(github.com/Ruijin-IMIT/PDCADxFoundation). The probability file is not the challenge's, which asks
for 0 or 1 alone; with it an area under the curve can be given.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MODALITIES = ("QSM", "NM")
PD_FILE = "PD_pred.txt"
PROBABILITY_FILE = "PD_prob.txt"
# Hidden, and beside the cases' folders: nothing that reads a case's files by name opens it.
NO_VOTE_FOLDER = ".without_vote"


def truth_name(modality: str) -> str:
    """Name, without its ending, of the mask that predictions are compared with."""
    return f"{modality}_mask"


def prediction_name(modality: str) -> str:
    """Name, without its ending, of a predicted mask; predictions are written as ``.nii.gz``."""
    return f"{modality}_pred"


def no_vote_mark(predicted: Path) -> Path:
    """The file that says of a case's folder that its vote is a stand-in, and why."""
    return predicted.parent / NO_VOTE_FOLDER / predicted.name


def folders(folder: Path) -> Iterable[Path]:
    """The folders in ``folder``, sorted by name; hidden ones are passed over."""
    return sorted(
        item for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")
    )
