"""A first look at the chosen volumes, in the library's words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MRNDiagnosisLib.case import Inputs, prepare
from MRNLib.errors import InputError


@dataclass(frozen=True)
class Look:
    """What the library says about the chosen volumes.

    Attributes:
        problem: Why they cannot be used.
        doubts: What is doubtful about them.
    """

    problem: str = ""
    doubts: str = ""


def inspect(inputs: Inputs, folder: Path, swap_modalities: bool = False, doubt: str = "") -> Look:
    """Reads both volumes as a run does.

    Args:
        inputs: The nodes; QSM and NM are chosen.
        folder: For volumes that have no file of their own.
        swap_modalities: Whether a run would exchange the two.
        doubt: What is doubtful about them already.
    """
    from MRNLib.cases import load_case

    if inputs.qsm is inputs.nm:
        return Look(problem="The same volume is chosen as QSM and as NM.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        images = load_case(prepare(inputs, folder), swap_modalities=swap_modalities)
    except InputError as error:
        return Look(problem=str(error))
    return Look(doubts="\n".join(filter(None, (doubt, *images.warnings))))
