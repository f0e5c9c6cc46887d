"""What learns in each stage, and how it takes a step.

Nothing here asks the device for a number: a step is queued, and its losses are read when somebody
wants to see them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from MRNLib.navigation.batches import Batches
from MRNLib.navigation.config import NavigationConfig, TrainSettings
from MRNLib.navigation.tokenizer import MaskedReconstruction, Tokenizer
from MRNLib.navigation.world import World
from MRNLib.training.acceleration import autocast, compile_blocks, resolved_precision
from MRNLib.training.checkpoint import below, optimizer_tensors, prefixed, restore_optimizer
from MRNLib.training.initialisation import start_vit_from_scratch
from MRNLib.training.optimisation import GroupRates, make_optimizer, set_learning_rate


class Learner(ABC):
    """A module whose output is its losses, and its optimizer.

    Args:
        module: On its device; gives a dictionary of losses with their weighted sum ``total``.
        clipped: Its parts whose gradients are each clipped by themselves; the first one's norm is
            told.
        settings: Optimizer and precision.
        batches: What it sees.
    """

    def __init__(
        self,
        module: nn.Module,
        clipped: Sequence[nn.Module],
        settings: TrainSettings,
        batches: Batches,
    ) -> None:
        self.module = module
        self.settings = settings
        self.batches = batches
        self.precision = resolved_precision(settings.precision, batches.device)
        self._clipped = clipped
        if settings.compile:
            compile_blocks(module)
        rates = GroupRates(settings.learning_rate, settings.weight_decay)
        self.optimizer = make_optimizer(module, rates, rates, settings.betas)
        self._called = batches.group.wrapped(module, some_unused=False)

    @abstractmethod
    def inputs(self, step: int) -> tuple[Any, ...]:
        """This process's share of what the module is given at a step, counted over both stages."""

    def step(self, step: int, factor: float) -> dict[str, Tensor]:
        """Takes an optimizer step.

        Args:
            step: Its number over both stages, from 0.
            factor: Share of the full learning rate.

        Returns:
            The whole batch's losses and the gradient's norm before clipping, on the device.
        """
        set_learning_rate(self.optimizer, factor)
        torch.manual_seed(self.batches.seed(step))
        self.optimizer.zero_grad(set_to_none=True)
        inputs = self.inputs(step)
        with autocast(self.batches.device, self.precision):
            losses: dict[str, Tensor] = self._called(*inputs)
        losses["total"].backward()
        norm, *_ = (
            nn.utils.clip_grad_norm_(part.parameters(), self.settings.clip, foreach=True)
            for part in self._clipped
        )
        self.optimizer.step()
        group = self.batches.group
        means = group.summed(torch.stack(list(losses.values())).detach()) / group.size
        return {**dict(zip(losses, means.unbind(), strict=True)), "gradient_norm": norm}

    def tensors(self) -> dict[str, Tensor]:
        """Weights and optimizer, for a checkpoint."""
        return {
            **prefixed("module", self.module.state_dict()),
            **prefixed("optimizer", optimizer_tensors(self.optimizer, self.module)),
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Puts back what :meth:`tensors` gave."""
        self.module.load_state_dict(below("module", tensors))
        restore_optimizer(self.optimizer, self.module, below("optimizer", tensors))


class TokenizerLearner(Learner):
    """The first stage: masked reconstruction.

    Args:
        config: The settings.
        batches: What it sees.
        pretrained: ``False`` where a checkpoint brings the weights.

    Raises:
        InputError: The encoder's weights cannot be had.
    """

    module: MaskedReconstruction

    def __init__(self, config: NavigationConfig, batches: Batches, pretrained: bool = True) -> None:
        torch.manual_seed(config.train.seed)
        tokenizer = Tokenizer(config.encoder, config.images, pretrained=pretrained)
        if config.train.from_scratch and config.encoder.weights == "none":
            start_vit_from_scratch(tokenizer.encoder.vit)
        module = MaskedReconstruction(
            tokenizer, config.encoder.image_size, config.encoder.patch_size, config.tokenizer
        ).to(batches.device)
        super().__init__(module, [module], config.train, batches)

    def inputs(self, step: int) -> tuple[Tensor, Tensor]:
        """Frames ``[b * T, S, S]`` and which of their patches are hidden."""
        return self.batches.clips(step).frames.flatten(0, 1), self.batches.masks(step)


class WorldLearner(Learner):
    """The second stage: dynamics over the latents of a tokenizer that learns no more.

    Args:
        config: The settings.
        batches: What it sees.
        tokenizer: Trained, on the same device.
    """

    module: World

    def __init__(self, config: NavigationConfig, batches: Batches, tokenizer: Tokenizer) -> None:
        torch.manual_seed(config.train.seed)
        self.tokenizer = tokenizer.eval().requires_grad_(False)
        module = World(config, tokenizer.width).to(batches.device)
        # The picture is for people to look at: its gradients have no say in the dynamics' clipping.
        super().__init__(module, [module.dynamics, module.picture], config.train, batches)

    def inputs(self, step: int) -> tuple[Tensor, Tensor, Tensor, int]:
        """Frames, their latents, the actions that are told, and where the rollout starts."""
        clips = self.batches.clips(step)
        with torch.no_grad(), autocast(self.batches.device, self.precision):
            latents = self.tokenizer.latents(clips.frames).float()
        actions = self.batches.actions(step, clips.actions)
        return clips.frames, latents, actions, self.batches.rollout_start(step)
