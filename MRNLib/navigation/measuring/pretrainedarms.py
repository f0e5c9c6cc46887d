"""Finished pre-trainings as arms of an experiment: which is which, and who was in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError
from MRNLib.models.backbone import encoder_shape
from MRNLib.models.weights import TOKENIZER, file_sha256
from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.exported import DYNAMICS, described_settings, load_tokenizer
from MRNLib.navigation.gap import number_held_out
from MRNLib.navigation.measuring.probefeatures import encoder_taps
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.training.checkpoint import read_checkpoint
from MRNLib.training.folder import CHECKPOINT, difference

# The second stage freezes the encoder, so that the three arms with dynamics have one between them.
NAVIGATION_ENCODER = "navigation"
# What no pre-training has taught; starts as theirs do.
RANDOM_ENCODER = "random"


@dataclass(frozen=True)
class PretrainedArm:
    """One finished pre-training.

    Attributes:
        folder: Where it lies.
        arm: One of :data:`~MRNLib.navigation.config.ARMS`.
        config: Its settings.
        sha256: Of the encoder's file.
        dynamics_sha256: Of the dynamics' file; None with an arm that has none.
        gap: Errors on its held-out patients, as :mod:`MRNLib.navigation.gap` gives them; None
            where there is no such record.
        patients: Names of patients known to have been in it, learned from or held out.
        volumes: Fingerprint of all volumes that it was given, held out or not; None where its file
            does not say.
        shape: Of the encoder: ``parameters`` (how many), ``embed_dim``, ``depth``, ``num_heads``
            and ``patch_size``.
    """

    folder: Path
    arm: str
    config: NavigationConfig
    sha256: str
    dynamics_sha256: str | None
    gap: dict[str, Any] | None
    patients: frozenset[str]
    volumes: str | None
    shape: Mapping[str, int]

    @property
    def encoder(self) -> str:
        """Name of its encoder; ``navigation`` for all arms with dynamics."""
        return NAVIGATION_ENCODER if self.config.learns_dynamics else self.arm

    @property
    def seed(self) -> int:
        """Of the pre-training."""
        return self.config.train.seed

    def facts(self) -> dict[str, Any]:
        """What it took to make it, for a page; JSON values.

        ``arm``, ``steps`` of both stages, ``frames`` seen in them, ``patients`` learned from, and
        the encoder's ``shape``.
        """
        settings = self.config.train
        steps = [
            self.config.tokenizer_steps,
            settings.dynamics_steps if self.config.learns_dynamics else 0,
        ]
        known = len(self.patients)
        return {
            "arm": self.arm,
            "steps": steps,
            "frames": sum(steps) * settings.batch_size * self.config.clips.length,
            "patients": known - number_held_out(known, self.config.held_out.share),
            "shape": dict(self.shape),
        }

    def tokenizer(self) -> Tokenizer:
        """The encoder, frozen, with the taps of a segmentation head."""
        return load_tokenizer(self.folder, encoder_taps(self.config))[0]


def read_arm(folder: Path) -> PretrainedArm:
    """One pre-training by its folder.

    Raises:
        InputError: It is none, is damaged, or is not finished.
    """
    tokenizer, config = load_tokenizer(folder)
    vit = tokenizer.encoder.vit
    shape = {"parameters": sum(one.numel() for one in vit.parameters()), **encoder_shape(vit)}
    described = _described(folder / TOKENIZER)
    patients = {*described.get("patients", ())}
    dynamics: dict[str, Any] = {}
    # A tokenizer that was taken over from another arm's folder still says that arm.
    if (folder / DYNAMICS).is_file():
        dynamics = _described(folder / DYNAMICS)
        config = described_settings(folder / DYNAMICS, dynamics)
        patients |= {*dynamics.get("held_out_patients", ())}
    elif config.learns_dynamics:
        raise InputError(
            f"{_begun(folder)}has a tokenizer and no dynamics: it is not finished",
            file=folder,
            remedy="give its pretrain_navigation.py train again; it goes on where it stopped",
        )
    return PretrainedArm(
        folder,
        config.arm,
        config,
        file_sha256(folder / TOKENIZER),
        dynamics.get("sha256"),
        dynamics.get("held_out"),
        frozenset(patients),
        described.get("identity", {}).get("volumes"),
        shape,
    )


def read_arms(folders: Sequence[Path]) -> list[PretrainedArm]:
    """Several pre-trainings.

    Args:
        folders: Of pre-trainings, or that hold the folders of some.

    Raises:
        InputError: As :func:`read_arm`; one arm and seed twice; settings differ in more than these
            two; they were given other volumes; arms with dynamics of one seed do not share their
            encoder.
    """
    arms = [read_arm(one) for folder in folders for one in _below(folder)]
    seen: dict[tuple[str, int], PretrainedArm] = {}
    encoders: dict[tuple[str, int], PretrainedArm] = {}
    for one in arms:
        if (other := seen.setdefault((one.arm, one.seed), one)) is not one:
            raise InputError(
                f"{other.folder} and {one.folder} are both arm {one.arm} with seed {one.seed}",
                expected="each arm and seed once",
            )
        if (own := _shared_settings(one)) != (first := _shared_settings(arms[0])):
            raise InputError(
                f"has other settings than {arms[0].folder}{difference(first, own)}",
                file=one.folder,
                expected="arms that differ in arm and train.seed alone",
                remedy="name the folders of one experiment with --trained",
            )
        if one.volumes != arms[0].volumes:
            raise InputError(
                f"was given other volumes than {arms[0].folder}",
                file=one.folder,
                expected="the same volumes for all; each seed holds out its own of them",
                remedy="name the folders of one experiment with --trained",
            )
        other = encoders.setdefault((one.encoder, one.seed), one)
        if other.sha256 != one.sha256:
            raise InputError(
                f"{one.arm} and {other.arm} of seed {one.seed} have different tokenizers",
                file=one.folder,
                expected="one for all arms with dynamics: the comparison is of their dynamics",
                remedy=f"train {one.arm} again with --tokenizer {other.folder}",
            )
    return arms


def _shared_settings(arm: PretrainedArm) -> dict[str, Any]:
    """What has to be equal for a comparison of arms to be one: steps, sizes and all else."""
    settings = arm.config.identity()
    del settings["arm"], settings["train"]["seed"]
    return settings


def _below(folder: Path) -> list[Path]:
    """The folder itself, or those in it that hold a tokenizer, if it has none."""
    if (folder / TOKENIZER).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{TOKENIZER}")) or [folder]


def _begun(folder: Path) -> str:
    """Which arm's second stage a folder holds, for a sentence; empty before its checkpoint."""
    file = folder / "dynamics" / CHECKPOINT
    return f"arm {read_checkpoint(file)[1]['settings']['arm']} " if file.is_file() else ""


def _described(file: Path) -> dict[str, Any]:
    path = file.with_suffix(".json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError("cannot be read", file=path, remedy="train this arm again") from error
