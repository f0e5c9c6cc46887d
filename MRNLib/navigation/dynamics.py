"""What the next slice shows, predicted from the slices so far and the action that leads to it.

arXiv 2605.06487 is known here by a summary, which names "a latent dynamics model" of "action
trajectories" and no architecture. Ours follows V-JEPA 2-AC (arXiv 2506.09985): a frame-causal
transformer over the latents of a frozen encoder, L1 on layer-normed latents, teacher forcing and a
short rollout. Unlike there, an action is added to its frame's tokens instead of standing beside
them, and no pose is given but by the actions, so that where a slice lies has to be seen.
"""

from __future__ import annotations

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from MRNLib.models.fusion import depth_embedding
from MRNLib.navigation.config import DynamicsSettings
from MRNLib.navigation.poses import ACTION_SIZE, TRANSLATION
from MRNLib.navigation.tokenizer import layer_normed
from MRNLib.training.initialisation import POSITION_SCALE

TRANSLATION_SCALE = 10.0  # mm that count as much as a radian


class Dynamics(nn.Module):
    """A frame-causal transformer over the latents of a clip and its actions.

    A frame's tokens see all tokens of their own frame and of earlier ones. The latents are the
    tokenizer's, layer-normed; the prediction is a change of them, layer-normed again, so that it
    can be fed back.

    Args:
        width: Channels C of the latents.
        tokens: Tokens N of a frame.
        settings: Its own width, depth and heads.
    """

    def __init__(self, width: int, tokens: int, settings: DynamicsSettings) -> None:
        super().__init__()
        inner = settings.width
        self.project = nn.Linear(width, inner)
        self.position = nn.Parameter(torch.randn(tokens, inner) * POSITION_SCALE)
        self.action = nn.Sequential(
            nn.Linear(ACTION_SIZE, inner), nn.GELU(), nn.Linear(inner, inner)
        )
        self.blocks = nn.ModuleList(
            Block(inner, settings.heads, qkv_bias=True) for _ in range(settings.depth)
        )
        self.norm = nn.LayerNorm(inner)
        self.change = nn.Linear(inner, width)
        # Until something is learned the next frame is predicted to be like this one.
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the frame after each.

        Args:
            latents: ``[B, T, N, C]``, layer-normed.
            actions: ``[B, T, 7]``: mm, radians, log-scale; the one at t leads from frame t to the
                next.

        Returns:
            ``[B, T, N, C]``, layer-normed: at t the latents of frame t + 1, from frames and actions
            up to t.
        """
        return layer_normed(latents + self.change(self.context(latents, actions)))

    def context(self, latents: Tensor, actions: Tensor | None = None) -> Tensor:
        """The hidden states that the predictions are made of, as features for a probe.

        Args:
            latents: ``[B, T, N, C]``, layer-normed.
            actions: ``[B, T, 7]``, or ``[B, T - 1, 7]`` where nothing follows the last frame, which
                then stays where it is; None for no movement at all. The state of frame t knows the
                action that leaves it: a probe for that action must not be given it.

        Returns:
            ``[B, T, N, width]``.
        """
        frames, count = latents.shape[1:3]
        embedded = self.action(_scaled(_filled(actions, latents)))[:, :, None]
        moment = depth_embedding(frames, self.position.shape[-1], latents.device)[:, None]
        hidden = self.project(latents) + self.position + moment + embedded
        seen = frame_causal_mask(frames, count, latents.device)
        hidden = hidden.flatten(1, 2)
        for block in self.blocks:
            hidden = block(hidden, attn_mask=seen)
        return self.norm(hidden).unflatten(1, (frames, count))

    def rollout(
        self, latents: Tensor, actions: Tensor, steps: int, window: int | None = None
    ) -> Tensor:
        """Predict several frames, each from the predictions before it.

        Args:
            latents: ``[B, K, N, C]``: the frames that are known.
            actions: ``[B, K - 1 + steps, 7]``, from the first known frame on.
            steps: Frames to predict.
            window: How many frames are looked back on, for paths longer than those learned from;
                None for all.

        Returns:
            ``[B, steps, N, C]``.
        """
        known = latents.shape[1]
        for last in range(known, known + steps):
            seen = slice(max(0, last - window) if window else 0, last)
            following = self(latents[:, seen], actions[:, seen])[:, -1:]
            latents = torch.cat([latents, following], dim=1)
        return latents[:, known:]


def frame_causal_mask(frames: int, tokens: int, device: torch.device) -> Tensor:
    """``[frames * tokens] * 2`` bool: who (first) sees whom, the tokens frame by frame."""
    frame = torch.arange(frames, device=device).repeat_interleave(tokens)
    return frame[:, None] >= frame


def _filled(actions: Tensor | None, latents: Tensor) -> Tensor:
    """``[B, T, 7]`` in the latents' type; what is missing is standing still."""
    batch, frames = latents.shape[:2]
    if actions is None:
        return latents.new_zeros(batch, frames, ACTION_SIZE)
    still = latents.new_zeros(batch, frames - actions.shape[1], ACTION_SIZE)
    return torch.cat([actions.to(latents), still], dim=1)


def _scaled(actions: Tensor) -> Tensor:
    scale = actions.new_ones(ACTION_SIZE)
    scale[TRANSLATION] /= TRANSLATION_SCALE
    return actions * scale
