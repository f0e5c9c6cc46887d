"""One optimizer step on one batch, whoever takes which part of it.

Nothing here asks the device for a number: a step is queued, and its losses are read when somebody
wants to see them.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from MRNLib.models.system import PatientInput, System
from MRNLib.training.acceleration import autocast, compile_blocks, resolved_precision
from MRNLib.training.config import TrainingConfig
from MRNLib.training.dataset import CropDataset
from MRNLib.training.distributed import ALONE, Group
from MRNLib.training.losses import LossParts
from MRNLib.training.memory_bank import Keys
from MRNLib.training.objective import Contrast, Part, StudentLosses, Whole
from MRNLib.training.sampling import generator_for
from MRNLib.training.schedule import configured_optimizer
from MRNLib.training.transfer import SideStream, sent

STUDENT_VIEW, TEACHER_VIEW, DROPOUT = 0, 1, 2


class Stepper:
    """A student, its teacher and bank, its optimizer, and how they take a step.

    Args:
        config: The settings.
        model: The student, on its device.
        dataset: The patients, on the same device.
        fold: Which fold this is; a part of every random draw.
        group: The processes that take part.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: System,
        dataset: CropDataset,
        fold: int = 0,
        group: Group = ALONE,
    ) -> None:
        self.config = config
        self.model = model
        self.dataset = dataset
        self.fold = fold
        self.group = group
        self.device = dataset.device
        self.precision = resolved_precision(config.train.precision, self.device)
        self.contrast = (
            Contrast(model, config.loss, config.teacher, self.device)
            if Contrast.wanted(model, config.loss)
            else None
        )
        if config.train.compile:
            compile_blocks(model)
            if self.contrast is not None:
                compile_blocks(self.contrast.teacher.network)
        self.optimizer = configured_optimizer(model, config.train)
        self._side = SideStream(self.device)
        self._called: tuple[bool, nn.Module] | None = None

    def step(
        self, chosen: NDArray[np.int64], updates: int, *, ramp: float, classify: bool
    ) -> dict[str, Tensor]:
        """Takes one step; the learning rate is set before.

        Args:
            chosen: Positions in the dataset of the whole batch.
            updates: Steps taken before.
            ramp: Factor of the contrastive loss's weight.
            classify: Whether the classification loss takes part.

        Returns:
            The whole batch's losses (means over all processes) and the gradient's norm before
            clipping, as scalars on the device.
        """
        places = list(self.group.share(len(chosen)))
        size = self.config.train.micro_batch or len(places)
        parts = [places[start : start + size] for start in range(0, len(places), size)]
        torch.manual_seed(self._number(updates, self.group.rank, DROPOUT))
        inputs, keys = self._teach(chosen, updates, parts)
        whole = self._whole(chosen, keys)
        self.optimizer.zero_grad(set_to_none=True)
        shares: list[dict[str, Tensor]] = []
        for number, part in enumerate(parts):
            mine = inputs[number] or self._inputs(chosen, updates, part, STUDENT_VIEW)
            last = number == len(parts) - 1
            shares.append(self._learn(self._part(chosen, part, mine), whole, ramp, classify, last))
        norm = torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), self.config.train.clip, foreach=True
        )
        self.optimizer.step()
        if self.contrast is not None and keys is not None:
            self.contrast.teacher.update(self.model)
            self.contrast.bank.enqueue(keys, self.dataset.diagnoses[chosen].tolist())
        return {**self._totals(shares), "gradient_norm": norm}

    def _teach(
        self, chosen: NDArray[np.int64], updates: int, parts: Sequence[Sequence[int]]
    ) -> tuple[list[list[PatientInput] | None], Keys | None]:
        """The whole batch's keys, and the inputs that the student can take over.

        All keys come before any of the student's parts, so that each anchor meets them all.
        """
        if self.contrast is None:
            return [None] * len(parts), None
        own_view = self.config.teacher.own_view
        kept: list[list[PatientInput] | None] = []
        projections = []
        for part in parts:
            view = TEACHER_VIEW if own_view else STUDENT_VIEW
            inputs = self._inputs(chosen, updates, part, view)
            with autocast(self.device, self.precision):
                projections.append(self.contrast.project(inputs))
            kept.append(None if own_view else inputs)
        vectors = self.group.gathered(torch.cat(projections))
        return kept, Keys(vectors, *self._facts(chosen))

    def _whole(self, chosen: NDArray[np.int64], keys: Keys | None) -> Whole:
        patients = [self.dataset.patients[int(index)] for index in chosen]
        volumes = sum(name in one.rois for one in patients for name in self.model.regions)
        if keys is None or self.contrast is None:
            return Whole(len(chosen), volumes)
        return Whole(len(chosen), volumes, *self.contrast.meeting(keys))

    def _learn(
        self, part: Part, whole: Whole, ramp: float, classify: bool, last: bool
    ) -> dict[str, Tensor]:
        """Adds a part's gradients; the processes exchange them with the last part's."""
        module = self._losses(classify)
        alone: AbstractContextManager[Any] = nullcontext()
        if isinstance(module, DistributedDataParallel) and not last:
            alone = module.no_sync()
        loss = self.config.loss
        with alone:
            with autocast(self.device, self.precision):
                shares: LossParts = module(part, whole, classify)
            total = shares.total(loss.segmentation, loss.contrastive * ramp)
            # The processes' gradients are averaged, and these are shares of a sum.
            (total * self.group.size).backward()
        return {"total": total.detach(), **shares.values()}

    def _losses(self, classify: bool) -> nn.Module:
        """The student with its losses, wrapped anew when a phase begins.

        Other weights take part then, and processes that know which exchange them sooner.
        """
        if self._called is None or self._called[0] != classify:
            self._called = None
            gc.collect()  # an old wrapper's hooks would exchange the gradients a second time
            loss, config = self.config.loss, self.model.config
            all_used = (
                classify
                and (loss.segmentation > 0 or getattr(self.model, "dpt", None) is None)
                and (loss.contrastive > 0 or not config.projector)
            )
            losses = StudentLosses(self.model, loss)
            self._called = (classify, self.group.wrapped(losses, some_unused=not all_used))
        return self._called[1]

    def _totals(self, shares: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Sums over the parts and the processes."""
        sums = torch.stack([torch.stack(list(share.values())) for share in shares]).sum(0)
        return dict(zip(shares[0], self.group.summed(sums).unbind(), strict=True))

    def _inputs(
        self, chosen: NDArray[np.int64], updates: int, places: Sequence[int], view: int
    ) -> list[PatientInput]:
        """Some places of a batch, varied; a place draws the same whoever takes it."""
        indices = [int(chosen[place]) for place in places]
        generators = [generator_for(*self._numbers(updates, place, view)) for place in places]
        with self._side.queued():
            inputs = self.model.prepare(self.dataset.varied(indices, generators))
        self._side.handed_over(
            tensor for one in inputs for tensor in (*one.stacks.values(), *one.labels.values())
        )
        return inputs

    def _part(
        self, chosen: NDArray[np.int64], places: Sequence[int], inputs: list[PatientInput]
    ) -> Part:
        return Part(inputs, *self._facts(chosen[list(places)]))

    def _facts(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Diagnoses and positions of patients, on the device."""
        diagnoses = torch.from_numpy(self.dataset.diagnoses[chosen])
        return sent(diagnoses, self.device), sent(torch.from_numpy(chosen), self.device)

    def _numbers(self, updates: int, place: int, use: int) -> tuple[int, ...]:
        return (self.config.train.seed, updates, place, use, self.fold)

    def _number(self, updates: int, place: int, use: int) -> int:
        return generator_for(*self._numbers(updates, place, use)).initial_seed()
