"""What the next slice shows, predicted from the slices so far and the action that leads to it.

arXiv 2605.06487 is known here by a summary, which names "a latent dynamics model" of "action
trajectories" and no architecture. Ours follows V-JEPA 2-AC (arXiv 2506.09985): a frame-causal
transformer over the latents of a frozen encoder, L1 on layer-normed latents, teacher forcing and a
short rollout. Unlike there, an action does not stand beside its frame's tokens: it is added to
them, and scales and shifts them in each block, as a diffusion transformer is told its time (DiT,
arXiv 2212.09748). No pose is given but by the actions, so that where a slice lies has to be seen.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from MRNLib.models.fusion import depth_embedding
from MRNLib.navigation.config import DynamicsSettings
from MRNLib.navigation.poses import ACTION_SIZE
from MRNLib.navigation.tokenizer import layer_normed
from MRNLib.training.initialisation import POSITION_SCALE

# An ordinary step of each part of an action: mm, radians, log-scale. Told in these units the parts
# are of order 1; told in mm / 10, radians and log-scale they hardly moved the tokens they are added
# to, and after 600 steps the actions were still ignored.
UNITS = (3.0, 3.0, 3.0, 0.1, 0.1, 0.1, 0.1)


class SteeredBlock(Block):
    """A transformer block that an action steers: it scales and shifts what each half works on.

    Where a structure goes depends on the action and on the structure, which is a product, and sums
    alone are slow to learn one. In the beginning nothing is steered.

    Args:
        width: Channels C.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, qkv_bias=True)
        self.steer = nn.Linear(width, 4 * width)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)

    def forward(  # type: ignore[override]
        self, x: Tensor, attn_mask: Tensor, action: Tensor
    ) -> Tensor:
        """Tokens ``[B, T, N, C]`` after the block.

        Args:
            x: ``[B, T, N, C]``.
            attn_mask: ``[T * N, T * N]`` bool: who sees whom.
            action: ``[B, T, 1, C]``, embedded.
        """
        scale, shift, scale_after, shift_after = self.steer(F.silu(action)).chunk(4, dim=-1)
        steered = (self.norm1(x) * (1 + scale) + shift).flatten(1, 2)
        x = x + self.attn(steered, attn_mask=attn_mask).view_as(x)
        return x + self.mlp(self.norm2(x) * (1 + scale_after) + shift_after)


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

    units: Tensor

    def __init__(self, width: int, tokens: int, settings: DynamicsSettings) -> None:
        super().__init__()
        self.register_buffer("units", torch.tensor(UNITS), persistent=False)
        inner = settings.width
        self.project = nn.Linear(width, inner)
        self.position = nn.Parameter(torch.randn(tokens, inner) * POSITION_SCALE)
        self.action = nn.Sequential(
            nn.Linear(ACTION_SIZE, inner), nn.GELU(), nn.Linear(inner, inner)
        )
        self.blocks = nn.ModuleList(
            SteeredBlock(inner, settings.heads) for _ in range(settings.depth)
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
        embedded = self.action(_filled(actions, latents) / self.units)[:, :, None]
        moment = depth_embedding(frames, self.position.shape[-1], latents.device)[:, None]
        hidden = self.project(latents) + self.position + moment + embedded
        seen = frame_causal_mask(frames, count, latents.device)
        for block in self.blocks:
            hidden = block(hidden, seen, embedded)
        return self.norm(hidden)

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
