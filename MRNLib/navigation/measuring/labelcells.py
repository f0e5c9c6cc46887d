"""The cells of the label-efficiency curve: encoder, number of labels, seed.

Slices are encoded once for each encoder; a random start is another encoder with each seed, and a
training's seed takes the pre-training of the same number, whichever others there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MRNLib.errors import InputError
from MRNLib.metrics import area_under_curve
from MRNLib.navigation.measuring.labelledpatients import (
    LABELS,
    LINEAR,
    digest,
    refuse_met,
    rounded,
    tested,
)
from MRNLib.navigation.measuring.linearreadout import linear_margins
from MRNLib.navigation.measuring.measuredcells import kept
from MRNLib.navigation.measuring.pretrainedarms import RANDOM_ENCODER, PretrainedArm
from MRNLib.navigation.measuring.slicetokens import EncodedPatient, plain_view, varied_views
from MRNLib.navigation.measuring.tokentraining import (
    LabelSettings,
    labelled_subset,
    margins_from_tokens,
    started,
    train_on_tokens,
)
from MRNLib.progress import Progress, part, silent
from MRNLib.training.config import TrainingConfig
from MRNLib.training.crops import PatientCrops
from MRNLib.training.dataset import CropDataset
from MRNLib.training.folds import check_origin, refuse_shared

# Of the draws that are encoded: the same images for all encoders and seeds.
VIEWS_SEED = 1


@dataclass(frozen=True)
class LabelCell:
    """One training.

    Attributes:
        encoder: Name of its frozen encoder.
        arm: Whose that is; of a random start, whose start.
        size: Labelled patients.
        seed: Of the training, and of a random start.
    """

    encoder: str
    arm: PretrainedArm
    size: int
    seed: int

    @property
    def learned(self) -> bool:
        """Whether its encoder has learned anything."""
        return self.encoder != RANDOM_ENCODER

    @property
    def key(self) -> str:
        """Name of its file."""
        return f"{LABELS}_{self.encoder}_{self.size}_{self.seed}"

    @property
    def tokens(self) -> tuple[str, int]:
        """What cells with the same tokens share."""
        return self.encoder, self.seed


def label_cells(arms: Sequence[PretrainedArm], settings: LabelSettings) -> list[LabelCell]:
    """All cells, those with the same tokens together.

    Raises:
        InputError: An arm has a seed that no training has.
    """
    if odd := next((arm for arm in arms if arm.seed not in settings.seeds), None):
        raise InputError(
            f"was pre-trained with seed {odd.seed}, and the trainings have {list(settings.seeds)}",
            file=odd.folder,
            expected="a training of the same seed for each pre-training",
            remedy=f'add it: --amount "seeds={sorted([*settings.seeds, odd.seed])}"',
        )
    # Arms that share an encoder are one; those of a seed have the same start.
    encoders = {
        (name, arm.seed): arm for arm in reversed(arms) for name in (arm.encoder, RANDOM_ENCODER)
    }
    cells = [
        LabelCell(name, arm, size, seed)
        for (name, seed), arm in encoders.items()
        for size in settings.sizes
    ]
    return sorted(cells, key=lambda cell: cell.tokens)


def measure_labels(
    arms: Sequence[PretrainedArm],
    train: Sequence[PatientCrops],
    test: Sequence[PatientCrops],
    config: TrainingConfig,
    out: Path,
    settings: LabelSettings,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Trains and tests what is not there yet.

    Args:
        arms: Finished pre-trainings.
        train: Labelled patients to draw from.
        test: Patients to test on.
        config: Of the MRN and its training.
        out: The experiment's folder.
        settings: Sizes, seeds, steps.
        progress: Called inside each cell; may raise ``Cancelled``.

    Returns:
        The cells' records.

    Raises:
        InputError: A patient is on two sides, there are too few of them or of a class, an
            encoder does not fit the settings, or ``out`` holds cells of other settings.
    """
    refuse_shared(*([one.identifier for one in side] for side in (train, test)))
    refuse_met([*train, *test], arms)
    check_origin(config.trained_on, [*train, *test])
    bench = _Bench(train, test, config, settings)
    for size in (min(settings.sizes), max(settings.sizes)):  # before the first of them trains
        labelled_subset(bench.diagnoses, size, 0)
    cells = label_cells(arms, settings)
    records = []
    for number, cell in enumerate(cells):
        own = part(progress, number / len(cells), (number + 1) / len(cells))

        def measure(cell: LabelCell = cell, own: Progress = own) -> dict[str, Any]:
            return bench.measure(cell, own)

        records.append(kept(out, cell.key, bench.identity(cell), measure))
    progress(1.0, "")
    return records


class _Bench:
    """The patients, and the tokens of the encoder that is looked at."""

    def __init__(
        self,
        train: Sequence[PatientCrops],
        test: Sequence[PatientCrops],
        config: TrainingConfig,
        settings: LabelSettings,
    ) -> None:
        self.config, self.settings = config, settings
        self.train, self.test = list(train), list(test)
        self.diagnoses = np.array([one.diagnosis for one in train])
        self._crops = [digest(self.train), digest(self.test)]
        self._tokens: tuple[tuple[str, int], _Tokens] | None = None

    def identity(self, cell: LabelCell) -> dict[str, Any]:
        settings = self.settings.model_dump(exclude={"sizes", "seeds"})
        return {
            "kind": LABELS,
            "encoder": cell.encoder,
            "weights": cell.arm.sha256 if cell.learned else None,
            "size": cell.size,
            "seed": cell.seed,
            "data": self.config.trained_on,
            "pretrained_on": cell.arm.config.trained_on if cell.learned else None,
            "start": None if cell.learned else cell.arm.config.as_json()["encoder"],
            "settings": settings,
            "training": self.config.identity(),
            "crops": self._crops,
        }

    def measure(self, cell: LabelCell, progress: Progress) -> dict[str, Any]:
        name = f"{cell.encoder}, {cell.size} labels, seed {cell.seed}"
        model = started(self.config, cell.seed, cell.arm, learned=cell.learned)
        tokens = self._encoded(cell, part(progress, 0.0, 0.3))
        chosen = labelled_subset(self.diagnoses, cell.size, cell.seed)
        learned = [tokens.train[index] for index in chosen]
        further = part(progress, 0.3, 1.0)
        train_on_tokens(
            model,
            learned,
            self.diagnoses[chosen],
            self.config,
            self.settings,
            cell.seed,
            lambda done, said: further(done, f"{name}: {said}"),
        )
        first, own = [views[0] for views in learned], self.diagnoses[chosen]
        linear = linear_margins(first, own, tokens.test, cell.seed)
        return {
            **tested(self.test, margins_from_tokens(model, tokens.test)),
            LINEAR: rounded(linear),
            "training_auc": float(area_under_curve(own, margins_from_tokens(model, first))),
        }

    def _encoded(self, cell: LabelCell, progress: Progress) -> _Tokens:
        if self._tokens is None or self._tokens[0] != cell.tokens:
            self._tokens = None  # the former encoder's need not stay while these are made
            model = started(self.config, cell.seed, cell.arm, learned=cell.learned)
            config, windows = self.config, model.config.preprocess
            learned = CropDataset(self.train, windows, model.regions, config.augment, config.data)
            held = CropDataset(self.test, windows, model.regions)
            views, first = self.settings.views, part(progress, 0.0, 0.8)
            tokens = _Tokens(
                varied_views(model, learned, views, VIEWS_SEED, first),
                plain_view(model, held, part(progress, 0.8, 1.0)),
            )
            self._tokens = (cell.tokens, tokens)
        return self._tokens[1]


@dataclass(frozen=True)
class _Tokens:
    train: list[list[EncodedPatient]]
    test: list[EncodedPatient]
