"""What each step sees: its clips, and their actions as the arm has them.

Every draw follows from the seed, the step and the place in the batch, never from what was drawn
before or from who takes which place. The steps of both stages are counted through, so that the arms
see the same frames: what ``aligned`` sees in its second stage, ``tokenizer`` sees at the end of its
first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from MRNLib.navigation.clips import Clips, make_clips, static_clips
from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.losses import derangement
from MRNLib.navigation.tokenizer import random_masks
from MRNLib.navigation.volumes import Volume
from MRNLib.training.distributed import Group
from MRNLib.training.sampling import generator_for

# Share of a GPU's free memory that volumes may take.
MOST_MEMORY = 0.5
# What a generator is for.
CLIP, MASK, PARTNERS, START, DROP_PATH = range(5)


def resident(volumes: Sequence[Volume], device: torch.device) -> list[Volume]:
    """The volumes where slices are best cut: in a GPU's memory, if they leave half of it free.

    Otherwise they stay where they are, and so does the cutting.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(one.values.nbytes for one in volumes) <= MOST_MEMORY * free:
            return [one.to(device) for one in volumes]
    return list(volumes)


class Batches:
    """The batches of one training, or one process's share of them.

    Args:
        volumes: What the clips are cut from.
        config: The settings.
        group: The processes that share a batch.
        device: Where clips are made.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        config: NavigationConfig,
        group: Group,
        device: torch.device,
    ) -> None:
        self.volumes = resident(volumes, device)
        self.config = config
        self.group = group
        self.device = device
        group.check_batch(config.train.batch_size)

    def generator(self, step: int, purpose: int, place: int = 0) -> Generator:
        """The chance of a step for a purpose, and of a place in its batch."""
        return generator_for(self.config.train.seed, step, place, purpose)

    def clips(self, step: int) -> Clips:
        """This process's clips ``[b, T, ...]`` of a step; of arm ``static`` neighbouring slices."""
        make = static_clips if self.config.arm == "static" else make_clips
        places = self.group.share(self.config.train.batch_size)
        seeds = [self.generator(step, CLIP, place).initial_seed() for place in places]
        return make(self.volumes, self.config.clips, seeds, self.device)

    def masks(self, step: int) -> Tensor:
        """Which patches of this process's frames are hidden: ``[b * T, patches]`` bool."""
        sizes = (self.config.clips.length, self.config.patches, self.config.masked_patches)
        places = self.group.share(self.config.train.batch_size)
        masks = [random_masks(*sizes, self.generator(step, MASK, place)) for place in places]
        return torch.cat(masks).to(self.device)

    def actions(self, step: int, actions: Tensor) -> Tensor:
        """What the dynamics are told of this process's clips.

        Args:
            step: Of this batch.
            actions: ``[b, T - 1, 7]``: what was done.

        Returns:
            The same; with arm ``shuffled`` each clip has another one's of the whole batch, with
            ``zeroed`` there is no movement in any.
        """
        if self.config.arm == "zeroed":
            return torch.zeros_like(actions)
        if self.config.arm != "shuffled":
            return actions
        everyone = self.group.gathered(actions)
        partners = derangement(len(everyone), self.generator(step, PARTNERS))
        mine = self.group.share(len(everyone))
        return everyone[partners[mine.start : mine.stop].to(actions.device)]

    def rollout_start(self, step: int) -> int:
        """After which frame a step's rollout begins, drawn evenly."""
        latest = self.config.clips.length - 1 - self.config.dynamics.rollout_steps
        return int(torch.randint(latest + 1, (), generator=self.generator(step, START)))

    def seed(self, step: int) -> int:
        """Of what this process draws inside of the network (drop path)."""
        return self.generator(step, DROP_PATH, self.group.rank).initial_seed()
