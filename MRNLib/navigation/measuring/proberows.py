"""The rows of the probes' tables: which frozen features there are, and how each is measured.

Arms with dynamics share their encoder, so that its tokenizer features are one row, ``navigation``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from MRNLib.navigation.dynamics import Dynamics
from MRNLib.navigation.exported import load_world
from MRNLib.navigation.measuring.pretrainedarms import RANDOM_ENCODER, PretrainedArm
from MRNLib.navigation.measuring.probefeatures import (
    Features,
    context_features,
    no_features,
    random_tokenizer,
    tokenizer_features,
    told_features,
    untrained_dynamics,
)
from MRNLib.navigation.measuring.probing import (
    FeaturesOf,
    ProbeSettings,
    Side,
    probed,
    probed_outlines,
)
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.progress import Progress

CHANCE, UNTRAINED = "chance", "untrained"
TOKENIZER, CONTEXT, TOLD = "tokenizer", "context", "told context"
# Its dynamics have never been told an action: where none is told they are at home already.
NEVER_TOLD = "zeroed"

Measured = Callable[[Side, Side, ProbeSettings, torch.device, Progress], dict[str, Any]]
# Loads what gives features, onto a device.
Load = Callable[[torch.device], FeaturesOf]


@dataclass(frozen=True)
class ProbeCell:
    """One row of the tables, of one seed.

    Attributes:
        name: Encoder (tokenizer features) or arm (context features), ``random``, ``untrained`` or
            ``chance``.
        features: ``tokenizer``, ``context``, or ``told context``: outlines alone, the dynamics told
            the actions of the past.
        arm: Whose settings, and whose weights unless they are random or not looked at.
        weights: SHA-256 of what was frozen.
        measure: Loads it and probes it.
    """

    name: str
    features: str
    arm: PretrainedArm
    weights: tuple[str, ...]
    measure: Measured

    @property
    def key(self) -> str:
        """Name of its file; chance knows no seed of a pre-training."""
        seed = "" if self.name == CHANCE else f"_{self.arm.seed}"
        return f"probes_{self.features.replace(' ', '_')}_{self.name}{seed}"

    def start(self) -> dict[str, Any]:
        """The settings of what started at random and has learned nothing."""
        known = {RANDOM_ENCODER: ("encoder",), UNTRAINED: ("dynamics",)}.get(self.name, ())
        settings = self.arm.config.as_json()
        return {name: settings[name] for name in known}


def probe_cells(arms: Sequence[PretrainedArm]) -> list[ProbeCell]:
    """The cells of some arms; of a random start of encoder and dynamics of each seed; of chance."""
    cells: dict[str, ProbeCell] = {}
    for arm in arms:
        found = [
            ProbeCell(CHANCE, TOKENIZER, arm, (), _all(lambda _: no_features)),
            ProbeCell(RANDOM_ENCODER, TOKENIZER, arm, (), _all(_random(arm))),
            ProbeCell(arm.encoder, TOKENIZER, arm, (arm.sha256,), _all(_encoder(arm))),
        ]
        if arm.dynamics_sha256 is not None:
            weights = (arm.sha256, arm.dynamics_sha256)
            found += [
                ProbeCell(UNTRAINED, CONTEXT, arm, weights[:1], _all(_untrained(arm))),
                ProbeCell(arm.arm, CONTEXT, arm, weights, _all(_context(arm))),
            ]
            if arm.arm != NEVER_TOLD:
                found.append(ProbeCell(arm.arm, TOLD, arm, weights, _outlines_told(arm)))
        for one in found:
            cells.setdefault(one.key, one)
    return list(cells.values())


def _all(load: Load) -> Measured:
    """All probes of features that are loaded when it is their turn."""

    def measure(
        train: Side,
        test: Side,
        settings: ProbeSettings,
        device: torch.device,
        progress: Progress,
    ) -> dict[str, Any]:
        return probed(load(device), train, test, settings, device, progress)

    return measure


def _outlines_told(arm: PretrainedArm) -> Measured:
    """The probes that outline, of dynamics that are told what was done so far."""

    def measure(
        train: Side,
        test: Side,
        settings: ProbeSettings,
        device: torch.device,
        progress: Progress,
    ) -> dict[str, Any]:
        trained = load_world(arm.folder, device)
        features = [
            told_features(trained.tokenizer, trained.world.dynamics, one.frames, one.actions)
            for one in (train.nuclei, test.nuclei)
        ]
        return probed_outlines(features, train, test, settings, device, progress)

    return measure


def _random(arm: PretrainedArm) -> Load:
    return lambda device: _seen_by(random_tokenizer(arm.config).to(device))


def _encoder(arm: PretrainedArm) -> Load:
    return lambda device: _seen_by(arm.tokenizer().to(device))


def _context(arm: PretrainedArm) -> Load:
    def load(device: torch.device) -> FeaturesOf:
        trained = load_world(arm.folder, device)
        return _followed_by(trained.tokenizer, trained.world.dynamics)

    return load


def _untrained(arm: PretrainedArm) -> Load:
    def load(device: torch.device) -> FeaturesOf:
        tokenizer = arm.tokenizer().to(device)
        return _followed_by(tokenizer, untrained_dynamics(arm.config, tokenizer.width).to(device))

    return load


def _seen_by(tokenizer: Tokenizer) -> FeaturesOf:
    def features(frames: Tensor) -> Features:
        return tokenizer_features(tokenizer, frames)

    return features


def _followed_by(tokenizer: Tokenizer, dynamics: Dynamics) -> FeaturesOf:
    def features(frames: Tensor) -> Features:
        return context_features(tokenizer, dynamics, frames)

    return features
