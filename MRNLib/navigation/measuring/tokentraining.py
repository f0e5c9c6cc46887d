"""How well a frozen encoder serves MRN with few labels: all behind it is trained on its tokens.

Every encoder gets the same: the same patients, the same draws of boxes and mirror, the same start
of everything else, and the same number of optimizer steps whatever the number of labels, so that
fewer labels are seen more often and not for less time. The contrastive loss, which needs a second
encoder that follows the first, is left out for all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from timm.models.vision_transformer import checkpoint_filter_fn

from MRNLib.errors import InputError
from MRNLib.models.config import NAVIGATION, MrnConfig
from MRNLib.models.mrn import Mrn
from MRNLib.navigation.measuring.pretrainedarms import PretrainedArm
from MRNLib.navigation.measuring.probefeatures import random_tokenizer
from MRNLib.navigation.measuring.slicetokens import EncodedPatient, forward_encoded
from MRNLib.progress import Progress, silent
from MRNLib.training.config import TrainingConfig
from MRNLib.training.initialisation import new_student
from MRNLib.training.losses import classification_loss, segmentation_sum
from MRNLib.training.optimisation import learning_rate_factor, set_learning_rate
from MRNLib.training.sampling import balanced_batches, generator_for
from MRNLib.training.schedule import configured_optimizer
from MRNLib.training.settingsfile import Strict

TEST_BATCH = 16


class LabelSettings(Strict):
    """What the label-efficiency curve is made of.

    Attributes:
        sizes: Numbers of labelled patients.
        seeds: Each draws its own patients, start and order.
        steps: Optimizer steps of each training, the same for all sizes.
        warm_up_steps: Linear rise of the learning rate, before half a cosine.
        views: Draws of each patient's boxes and augmentation that are encoded; a batch takes one of
            them at random.
    """

    sizes: tuple[int, ...] = (25, 50, 100, 200)
    seeds: tuple[int, ...] = (1, 2, 3)
    # With 200 labels of digital patients 240 left single trainings hardly begun (AUC of .64 to .89
    # on the patients learned from), and 960 gave no more on others (.757 for .746).
    steps: int = Field(default=480, ge=1)
    warm_up_steps: int = Field(default=40, ge=0)
    views: int = Field(default=4, ge=1)

    @field_validator("sizes", "seeds")
    @classmethod
    def _each_once(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values or len({*values}) < len(values) or min(values) < 0:
            raise ValueError(f"one or more different numbers of 0 or above, got {values}")
        return values


def started(config: TrainingConfig, seed: int, arm: PretrainedArm, *, learned: bool) -> Mrn:
    """An MRN before its training, its encoder frozen.

    Args:
        config: Of an MRN.
        seed: Of everything that is not the arm's.
        arm: Whose encoder it gets.
        learned: ``False`` takes the arm's encoder as it was before its first step. Either goes
            through the same resampling of its positions to the MRN's images.

    Raises:
        InputError: The settings are another system's, or the encoder does not fit them.
    """
    settings = config.model
    if not isinstance(settings, MrnConfig):
        raise InputError(f"the settings are of model.kind {settings.kind}", expected="mrn")
    plain = dataclasses.replace(settings.backbone, weights="none")
    own = config.model_copy(
        update={
            "model": dataclasses.replace(settings, backbone=plain, projector=False),
            "train": config.train.model_copy(update={"seed": seed}),
        }
    )
    model = new_student(own, 0, pretrained=True)
    assert isinstance(model, Mrn)
    # After the rest has started, so that it starts the same with every encoder.
    backbone = model.res.backbone
    taken = dataclasses.replace(plain, weights=f"{NAVIGATION}{arm.folder}")
    backbone.load_state_dict(type(backbone)(taken, len(backbone.tapped_blocks)).state_dict())
    if not learned:
        start = random_tokenizer(arm.config).encoder.vit.state_dict()
        backbone.vit.load_state_dict(checkpoint_filter_fn(start, backbone.vit))
    backbone.requires_grad_(False)
    return model


def labelled_subset(diagnoses: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Positions of the patients whose labels are known: both classes in turn, at random.

    The patients of a smaller size are among those of a larger one.

    Args:
        diagnoses: ``[N]`` of all.
        size: How many; where one class is used up the rest comes from the other.
        seed: Of the order.

    Raises:
        InputError: There are not so many, or fewer than two of a class among them.
    """
    if size > len(diagnoses):
        raise InputError(
            f"{size} labelled patients are wanted and there are {len(diagnoses)}",
            remedy="cut more with Training/prepare_crops.py, or leave this size out",
        )
    random = np.random.default_rng(seed)
    ranks = np.empty(len(diagnoses), np.int64)
    for label in (0, 1):
        members = np.flatnonzero(diagnoses == label)
        ranks[random.permutation(members)] = np.arange(len(members))
    chosen = np.lexsort((diagnoses, ranks))[:size]
    if np.bincount(diagnoses[chosen], minlength=2).min() < 2:
        raise InputError(
            f"{size} labelled patients hold fewer than two of a class",
            expected="two or more of each, for the cross-validation of the logistic regression",
            remedy="leave this size out, or cut patients of both classes",
        )
    return chosen


def train_on_tokens(
    model: Mrn,
    patients: Sequence[Sequence[EncodedPatient]],
    diagnoses: NDArray[np.int64],
    config: TrainingConfig,
    settings: LabelSettings,
    seed: int,
    progress: Progress = silent,
) -> None:
    """Trains everything behind the encoder.

    Args:
        model: From :func:`started`.
        patients: ``[patient][view]``.
        diagnoses: Theirs.
        config: Batch, rates, weights of the losses.
        settings: Steps.
        seed: Of order, views and dropout.
        progress: Called now and then; may raise ``Cancelled``.
    """
    optimizer = configured_optimizer(model, config.train)
    batches: list[NDArray[np.int64]] = []
    epoch = 0
    torch.manual_seed(seed)
    model.train()
    for step in range(settings.steps):
        if not batches:
            batches = balanced_batches(diagnoses, config.train.batch_size, seed, epoch)
            epoch += 1
        if step % 10 == 0:
            progress(step / settings.steps, f"step {step}/{settings.steps}")
        chosen = batches.pop(0)
        views = torch.randint(
            settings.views, (len(chosen),), generator=generator_for(seed, step)
        ).tolist()
        batch = [patients[index][view] for index, view in zip(chosen, views, strict=True)]
        set_learning_rate(
            optimizer, learning_rate_factor(step, settings.steps, settings.warm_up_steps)
        )
        loss = _loss(model, batch, torch.from_numpy(diagnoses[chosen]), config.loss.segmentation)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip, foreach=True)
        optimizer.step()


def _loss(
    model: Mrn, batch: Sequence[EncodedPatient], diagnoses: torch.Tensor, weight: float
) -> torch.Tensor:
    """Classification, and segmentation if it has a weight (Eq. 12 without its contrast)."""
    output = forward_encoded(model, batch, segment=weight > 0)
    assert output.logits is not None
    loss = classification_loss(output.logits, diagnoses)
    if output.segmentations is None:
        return loss
    pairs = [
        (logits[name], roi.labels.long())
        for logits, patient in zip(output.segmentations, batch, strict=True)
        for name, roi in patient.items()
        if roi.labels is not None
    ]
    logits, labels = zip(*pairs, strict=True)
    return loss + weight * segmentation_sum(logits, labels) / len(pairs)


@torch.no_grad()
def margins_from_tokens(model: Mrn, patients: Sequence[EncodedPatient]) -> NDArray[np.float64]:
    """Logit of PD minus logit of HC, ``[N]``."""
    model.eval()
    parts = []
    for start in range(0, len(patients), TEST_BATCH):
        batch = patients[start : start + TEST_BATCH]
        logits = forward_encoded(model, batch, segment=False).logits
        assert logits is not None
        parts.append(logits[:, 1].double() - logits[:, 0].double())
    return torch.cat(parts).numpy()
