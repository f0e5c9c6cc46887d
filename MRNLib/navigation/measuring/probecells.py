"""The cells of the probes: each arm's each kind of features, measured once and kept.

Arms with dynamics share their encoder, so that its tokenizer features are one cell, ``navigation``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.navigation.exported import load_world
from MRNLib.navigation.measuring.measuredcells import kept
from MRNLib.navigation.measuring.pretrainedarms import RANDOM_ENCODER, PretrainedArm
from MRNLib.navigation.measuring.probeclips import refuse_shared_patients
from MRNLib.navigation.measuring.probefeatures import (
    Features,
    context_features,
    no_features,
    random_tokenizer,
    tokenizer_features,
)
from MRNLib.navigation.measuring.probing import FeaturesOf, ProbeSettings, Side, probed
from MRNLib.navigation.volumes import Volume
from MRNLib.progress import Progress, part, silent

CHANCE = "chance"
TOKENIZER, CONTEXT = "tokenizer", "context"
KIND = "probes"


@dataclass(frozen=True)
class ProbeCell:
    """One row of the tables, of one seed.

    Attributes:
        name: Encoder (tokenizer features) or arm (context features), ``random`` or ``chance``.
        features: ``tokenizer`` or ``context``.
        arm: Whose settings, and whose weights unless they are random or not looked at.
        weights: SHA-256 of what was frozen.
        load: Gives the features' function; called when the cell is measured.
    """

    name: str
    features: str
    arm: PretrainedArm
    weights: tuple[str, ...]
    load: Callable[[], FeaturesOf]

    @property
    def key(self) -> str:
        """Name of its file; chance knows no seed of a pre-training."""
        seed = "" if self.name == CHANCE else f"_{self.arm.seed}"
        return f"{KIND}_{self.features}_{self.name}{seed}"


def probe_cells(arms: Sequence[PretrainedArm]) -> list[ProbeCell]:
    """The cells of some arms, and of a random start of each seed, and of chance."""
    cells: dict[str, ProbeCell] = {}
    for arm in arms:
        found = [
            ProbeCell(CHANCE, TOKENIZER, arm, (), lambda: no_features),
            ProbeCell(RANDOM_ENCODER, TOKENIZER, arm, (), _random(arm)),
            ProbeCell(arm.encoder, TOKENIZER, arm, (arm.sha256,), _encoder(arm)),
        ]
        if arm.dynamics_sha256 is not None:
            weights = (arm.sha256, arm.dynamics_sha256)
            found.append(ProbeCell(arm.arm, CONTEXT, arm, weights, _context(arm)))
        for one in found:
            cells.setdefault(one.key, one)
    return list(cells.values())


def _random(arm: PretrainedArm) -> Callable[[], FeaturesOf]:
    def load() -> FeaturesOf:
        tokenizer = random_tokenizer(arm.config)
        return lambda frames: tokenizer_features(tokenizer, frames)

    return load


def _encoder(arm: PretrainedArm) -> Callable[[], FeaturesOf]:
    def load() -> FeaturesOf:
        tokenizer = arm.tokenizer()
        return lambda frames: tokenizer_features(tokenizer, frames)

    return load


def _context(arm: PretrainedArm) -> Callable[[], FeaturesOf]:
    def load() -> FeaturesOf:
        trained = load_world(arm.folder)

        def features(frames: Tensor) -> Features:
            return context_features(trained.tokenizer, trained.world.dynamics, frames)

        return features

    return load


def measure_probes(
    arms: Sequence[PretrainedArm],
    train: Sequence[Volume],
    test: Sequence[Volume],
    out: Path,
    settings: ProbeSettings,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Measures what is not there yet.

    Args:
        arms: Finished pre-trainings.
        train: Labelled volumes of the patients that probes learn from.
        test: Of the patients that they are tested on.
        out: The experiment's folder.
        settings: How much is probed.
        progress: Called before and inside each cell; may raise ``Cancelled``.

    Returns:
        The cells' records.

    Raises:
        InputError: A patient is on two sides, the arms were pre-trained on other clips than one
            another, ``out`` holds cells of other settings, or volumes cannot be used.
    """
    refuse_mixed_clips(arms)
    names = [sorted({one.name for one in side}) for side in (train, test)]
    refuse_shared_patients(names[0], names[1], {name for arm in arms for name in arm.patients})
    sides: list[Side] = []
    records = []
    cells = probe_cells(arms)
    for number, cell in enumerate(cells):
        own = part(progress, number / len(cells), (number + 1) / len(cells))

        def measure(cell: ProbeCell = cell, own: Progress = own) -> dict[str, Any]:
            if not sides:  # a finished experiment does not need them
                sides.extend(_cut(train, test, arms[0], settings, part(own, 0.0, 0.2)))
            told = _told(part(own, 0.2, 1.0), cell)
            return probed(cell.load(), sides[0], sides[1], settings, told)

        records.append(kept(out, cell.key, _identity(cell, settings, names), measure))
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


def _identity(
    cell: ProbeCell, settings: ProbeSettings, names: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Which result this is; the gap goes with a context's, since it is of the same dynamics."""
    config = cell.arm.config
    start = {"encoder": config.as_json()["encoder"]} if cell.name == RANDOM_ENCODER else {}
    return {
        "kind": KIND,
        "name": cell.name,
        "features": cell.features,
        "seed": None if cell.name == CHANCE else cell.arm.seed,
        "weights": list(cell.weights),
        **start,
        "trained_on": config.trained_on,
        "clips": config.as_json()["clips"],
        "settings": settings.model_dump(),
        "train": list(names[0]),
        "test": list(names[1]),
        "gap": cell.arm.gap if cell.features == CONTEXT else None,
    }


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
