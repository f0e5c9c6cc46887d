"""The second stage: a model of what a slice's neighbours show, and a window to look at it.

The decoder of the first stage has learned only to fill hidden patches, in units that leave out
each patch's brightness; it cannot show a frame whose patches are all there. Another decoder of its
kind therefore learns to draw frames from their latents beside the dynamics. Nothing flows back from
it: it is for people to look at what is predicted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from MRNLib.navigation.config import NavigationConfig
from MRNLib.navigation.dynamics import Dynamics
from MRNLib.navigation.losses import latent_errors
from MRNLib.navigation.tokenizer import Decoder, patchified


class World(nn.Module):
    """Dynamics and picture, with their losses, as one module that several processes share.

    Args:
        config: The settings.
        width: Channels C of the tokenizer's latents.
    """

    def __init__(self, config: NavigationConfig, width: int) -> None:
        super().__init__()
        self.settings = config.dynamics
        self.dynamics = Dynamics(width, 1 + config.patches, config.dynamics)
        size, patch = config.encoder.image_size, config.encoder.patch_size
        self.picture = Decoder(width, size, patch, config.tokenizer)

    def forward(
        self, frames: Tensor, latents: Tensor, actions: Tensor, start: int
    ) -> dict[str, Tensor]:
        """The losses of some clips.

        Args:
            frames: ``[B, T, S, S]`` in [0, 1].
            latents: ``[B, T, N, C]`` of these frames, layer-normed.
            actions: ``[B, T - 1, 7]``.
            start: The last true frame of the rollout; ``start + rollout_steps < T``.

        Returns:
            Unweighted ``teacher_forcing`` (L1 of every next frame), ``rollout`` (L1 of the frames
            after ``start``, where it has a weight) and ``picture`` (squared error of the grey
            values), and the weighted sum ``total``.
        """
        losses = self._prediction(latents, actions, start)
        drawn = self.picture(latents.flatten(0, 1)).float()
        grey = patchified(frames.flatten(0, 1), self.picture.patch_size)
        picture = (drawn - grey).square().mean()
        total = picture + self.settings.teacher_forcing * losses["teacher_forcing"]
        if "rollout" in losses:
            total = total + self.settings.rollout * losses["rollout"]
        return {"total": total, **losses, "picture": picture}

    def _prediction(self, latents: Tensor, actions: Tensor, start: int) -> dict[str, Tensor]:
        predicted = self.dynamics(latents[:, :-1], actions).float()
        losses = {"teacher_forcing": latent_errors(predicted, latents[:, 1:]).mean()}
        if self.settings.rollout:
            # The rollout's first frame is what has been predicted already.
            first = predicted[:, start : start + 1]
            seen = torch.cat([latents[:, : start + 1], first], dim=1)
            last = start + self.settings.rollout_steps
            rest = self.dynamics.rollout(seen, actions[:, :last], self.settings.rollout_steps - 1)
            rolled = torch.cat([first, rest.float()], dim=1)
            losses["rollout"] = latent_errors(rolled, latents[:, start + 1 : last + 1]).mean()
        return losses
