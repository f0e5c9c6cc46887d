"""The cells of the probes: each row of each seed, measured once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from MRNLib.errors import InputError
from MRNLib.experiments.origin import device_name, versions
from MRNLib.navigation.measuring.measuredcells import kept
from MRNLib.navigation.measuring.pretrainedarms import PretrainedArm
from MRNLib.navigation.measuring.probeclips import refuse_shared_patients
from MRNLib.navigation.measuring.proberows import CHANCE, CONTEXT, ProbeCell, probe_cells
from MRNLib.navigation.measuring.probing import ProbeSettings, Side
from MRNLib.navigation.training import fingerprint
from MRNLib.navigation.volumes import Volume
from MRNLib.progress import Progress, part, silent

KIND = "probes"
# Whom all cells are measured on.
DATA = "phantom"


def measure_probes(
    arms: Sequence[PretrainedArm],
    train: Sequence[Volume],
    test: Sequence[Volume],
    out: Path,
    settings: ProbeSettings,
    progress: Progress = silent,
    device: torch.device | str = "cpu",
) -> list[dict[str, Any]]:
    """Measures what is not there yet.

    Args:
        arms: Finished pre-trainings.
        train: Labelled volumes of the patients that probes learn from.
        test: Of the patients that they are tested on.
        out: The experiment's folder.
        settings: How much is probed.
        progress: Called before and inside each cell; may raise ``Cancelled``.
        device: Where encoders and dynamics run, and probes that outline learn; those of poses and
            planes are of a CPU.

    Returns:
        The cells' records.

    Raises:
        InputError: A patient is on two sides, or is none of the digital ones, the arms were
            pre-trained on other clips than one another, ``out`` holds cells of other settings, or
            volumes cannot be used.
    """
    refuse_mixed_clips(arms)
    refuse_people([*train, *test])
    names = [sorted({one.name for one in side}) for side in (train, test)]
    refuse_shared_patients(names[0], names[1], {name for arm in arms for name in arm.patients})
    common = {
        "data": DATA,
        "settings": settings.model_dump(),
        "train": names[0],
        "test": names[1],
        "volumes": [digest(side) for side in (train, test)],
    }
    sides: list[Side] = []
    records = []
    cells = probe_cells(arms)
    for number, cell in enumerate(cells):
        own = part(progress, number / len(cells), (number + 1) / len(cells))

        def measure(cell: ProbeCell = cell, own: Progress = own) -> dict[str, Any]:
            if not sides:  # a finished experiment does not need them
                sides.extend(_cut(train, test, arms[0], settings, part(own, 0.0, 0.2)))
            told = _told(part(own, 0.2, 1.0), cell)
            found = cell.measure(sides[0], sides[1], settings, torch.device(device), told)
            return {**found, "provenance": _provenance(cell, str(device))}

        records.append(kept(out, cell.key, {**_identity(cell), **common}, measure))
    progress(1.0, "")
    return records


def _cut(
    train: Sequence[Volume],
    test: Sequence[Volume],
    arm: PretrainedArm,
    settings: ProbeSettings,
    progress: Progress,
) -> list[Side]:
    """The clips of both sides, as the arms were pre-trained on."""
    return [
        Side.cut(
            volumes, arm.config.clips, settings, part(progress, 0.5 * place, 0.5 + 0.5 * place)
        )
        for place, volumes in enumerate((train, test))
    ]


def _told(progress: Progress, cell: ProbeCell) -> Progress:
    return lambda done, said: progress(done, f"{cell.name} {cell.arm.seed} {cell.features}: {said}")


def _identity(cell: ProbeCell) -> dict[str, Any]:
    """Which result this is; the gap goes with a context's, since it is of the same dynamics."""
    config = cell.arm.config
    own = cell.features == CONTEXT and cell.name == cell.arm.arm
    return {
        "kind": KIND,
        "name": cell.name,
        "features": cell.features,
        "seed": None if cell.name == CHANCE else cell.arm.seed,
        "weights": list(cell.weights),
        **cell.start(),
        "pretrained_on": config.trained_on,
        "clips": config.as_json()["clips"],
        "gap": cell.arm.gap if own else None,
    }


def _provenance(cell: ProbeCell, device: str) -> dict[str, Any]:
    """What made the weights and the result, for the page.

    It is no part of the identity: an experiment goes on with another version of a library.
    """
    return {
        "arm": cell.arm.facts() if cell.weights else None,
        "device": device_name(device),
        "versions": versions(),
    }


def digest(volumes: Sequence[Volume]) -> str:
    """SHA-256 of who and what some volumes are, and of all their labels.

    Names alone would call a changed generator's patients the same as before.
    """
    whole = hashlib.sha256(fingerprint(volumes).encode())
    for one in sorted(volumes, key=str):
        whole.update(str(one).encode())
        if one.labels is not None:
            whole.update(one.labels.cpu().numpy().tobytes())
    return whole.hexdigest()


def refuse_people(volumes: Sequence[Volume]) -> None:
    """Refuses volumes that are no digital patients': the cells and the page say that all are.

    Raises:
        InputError: There are some.
    """
    if other := next((one for one in volumes if not one.phantom), None):
        raise InputError(
            f"{other} is no digital patient's",
            expected="labelled volumes of digital patients: probes are of these alone",
            remedy="make some with pretrain_navigation.py volumes --labels",
        )


def refuse_mixed_clips(arms: Sequence[PretrainedArm]) -> None:
    """Refuses arms that were not pre-trained on slices of the same kind.

    Raises:
        InputError: There are none, or their clips differ.
    """
    if not arms:
        raise InputError("no pre-trained folder is named", remedy="name one or more: --trained DIR")
    for one in arms:
        if one.config.clips != arms[0].config.clips:
            raise InputError(
                f"learned from other clips than {arms[0].folder}",
                file=one.folder,
                expected="arms of one comparison: the same clips settings",
            )
