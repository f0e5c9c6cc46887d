"""Pre-training from volumes to files: the tokenizer, then the model of slices, then the gap.

``OUT/tokenizer`` and ``OUT/dynamics`` are the stages' own folders (metrics, checkpoint);
``OUT/tokenizer.safetensors`` and ``OUT/dynamics.safetensors``, each with its JSON, are what is used
afterwards.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from MRNLib.errors import InputError
from MRNLib.models.weights import TOKENIZER, file_sha256
from MRNLib.navigation.batches import Batches
from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.exported import (
    DYNAMICS,
    check_same,
    copy_described,
    export,
    load_tokenizer,
    tokenizer_record,
)
from MRNLib.navigation.gap import held_out_gap, split_patients
from MRNLib.navigation.learners import TokenizerLearner, WorldLearner
from MRNLib.navigation.stages import Stage
from MRNLib.navigation.volumes import Volume
from MRNLib.progress import Progress, part, silent
from MRNLib.training.distributed import ALONE, Group
from MRNLib.training.folder import CHECKPOINT


@dataclass(frozen=True)
class Pretrained:
    """What a pre-training has left.

    Attributes:
        tokenizer: The encoder's file, for ``weights: navigation:PATH``.
        dynamics: The model of slices; None with an arm that has none.
        gap: As :func:`~MRNLib.navigation.gap.held_out_gap` gives it; None where there is none.
    """

    tokenizer: Path
    dynamics: Path | None = None
    gap: dict[str, Any] | None = None


class Pretraining:
    """Both stages of one arm.

    Args:
        config: The settings.
        volumes: All; patients are held out of them here.
        out: The folder; what was done in it before is gone on with.
        device: Where to compute.
        progress: Called with the fraction done and a line; may raise ``Cancelled``, which saves
            first.
        group: The processes that train together.
        tokenizer: A finished first stage of another arm with the same settings and volumes (its
            file or folder) in the place of an own one.

    Raises:
        InputError: No volumes to learn from; they are digital and ``trained_on`` says human, or the
            other way round; the arm has no second stage and a tokenizer is named.
    """

    def __init__(
        self,
        config: NavigationConfig,
        volumes: Sequence[Volume],
        out: Path,
        *,
        device: str | torch.device = "cpu",
        progress: Progress = silent,
        group: Group = ALONE,
        tokenizer: Path | None = None,
    ) -> None:
        check_origin(config.trained_on, volumes)
        if tokenizer is not None and not config.learns_dynamics:
            raise InputError(
                f"arm {config.arm} has a first stage of its own", remedy="leave --tokenizer out"
            )
        self.config = config
        self.out = out
        self.device = torch.device(device)
        self.progress = progress
        self.group = group
        self.learned_from, self.held_out = split_patients(
            volumes, config.held_out.share, config.train.seed
        )
        self.batches = Batches(self.learned_from, config, group, self.device)
        self._volumes = fingerprint(volumes)
        self._taken = tokenizer

    def run(self) -> Pretrained:
        """Trains both stages to their ends, or goes on with them.

        Raises:
            Cancelled: A signal or the progress callback asked to stop; the state is saved.
            InputError: The folder holds another training, the tokenizer is another's, a loss is no
                number any more, or a file cannot be written; the last checkpoint is whole.
        """
        second = self.config.train.dynamics_steps if self.config.learns_dynamics else 0
        share = self.config.tokenizer_steps / (self.config.tokenizer_steps + second)
        file = self._first_stage(part(self.progress, 0.0, share))
        if not second:
            return Pretrained(file)
        return self._second_stage(file, part(self.progress, share, 1.0))

    def _first_stage(self, progress: Progress) -> Path:
        """The tokenizer's file: there already, taken over, or trained now."""
        file = self.out / TOKENIZER
        identity = self._identity(self.config.tokenizer_identity())
        if file.with_suffix(".json").is_file():
            check_same(file, identity, "--out")
        elif self._taken is not None:
            source = self._taken / TOKENIZER if self._taken.is_dir() else self._taken
            check_same(source, identity, "--tokenizer")
            if self.group.leads:
                copy_described(source, file)
        else:
            self._train_tokenizer(file, identity, progress)
        self.group.any(False)  # nobody goes on before the file is there
        return file

    def _train_tokenizer(self, file: Path, identity: dict[str, Any], progress: Progress) -> None:
        folder = self.out / "tokenizer"
        fresh = not (folder / CHECKPOINT).is_file()
        learner = TokenizerLearner(self.config, self.batches, pretrained=fresh)
        stage = Stage(
            learner,
            folder,
            identity,
            steps=self.config.tokenizer_steps,
            before=0,
            title="tokenizer",
            progress=progress,
        )
        stage.run()
        if self.group.leads:
            tokenizer = learner.module.tokenizer
            record = {**tokenizer_record(tokenizer, self.config), "identity": identity}
            record["last"] = stage.folder.records()[-1:]
            # Whoever measures the encoder later must not do it on these.
            record["patients"] = sorted({one.name for one in (*self.learned_from, *self.held_out)})
            export(file, tokenizer.encoder.vit.state_dict(), record)

    def _second_stage(self, file: Path, progress: Progress) -> Pretrained:
        tokenizer, _ = load_tokenizer(file, device=self.device)
        hashed = file_sha256(file)
        learner = WorldLearner(self.config, self.batches, tokenizer)
        stage = Stage(
            learner,
            self.out / "dynamics",
            {**self._identity(self.config.identity()), "tokenizer": hashed},
            steps=self.config.train.dynamics_steps,
            before=self.config.train.tokenizer_steps,
            title=f"dynamics ({self.config.arm})",
            progress=progress,
        )
        stage.run()
        target = self.out / DYNAMICS
        if not self.group.leads:
            return Pretrained(file, target)
        world = learner.module.eval()
        gap = held_out_gap(tokenizer, world.dynamics, self.held_out, self.config)
        record = {
            "trained_on": self.config.trained_on,
            "arm": self.config.arm,
            "tokenizer_sha256": hashed,
            "settings": self.config.as_json(),
            "held_out": gap,
            "held_out_patients": sorted({one.name for one in self.held_out}),
            "last": stage.folder.records()[-1:],
        }
        return Pretrained(file, export(target, world.state_dict(), record), gap)

    def _identity(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {"settings": settings, "volumes": self._volumes}


def check_origin(trained_on: str, volumes: Sequence[Volume]) -> None:
    """Refuses volumes of another origin than the settings say, and none at all.

    Raises:
        InputError: As said.
    """
    if not volumes:
        raise InputError("there are no volumes to learn from", remedy="name another folder")
    mixed = len({one.phantom for one in volumes}) > 1
    for one in volumes:
        if one.phantom != (trained_on == "phantom"):
            kind = "a digital patient's" if one.phantom else "no digital patient's"
            right = f"--set trained_on={'phantom' if one.phantom else 'human'}"
            raise InputError(
                f"{one} is {kind}, and trained_on says {trained_on}",
                remedy="prepare phantoms and people in folders of their own" if mixed else right,
            )


def fingerprint(volumes: Sequence[Volume]) -> str:
    """SHA-256 of who and what the volumes are: their grids, and the values of their middle slices.

    A look at all values could take longer than the training's first steps.
    """
    rows = sorted(
        [
            *(one.name, one.role, list(one.values.shape), list(one.spacing), list(one.origin)),
            zlib.crc32(one.values[len(one.values) // 2].cpu().contiguous().numpy().tobytes()),
        ]
        for one in volumes
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
