"""A path that a pre-trained model follows with closed eyes: what it expects beside what is there.

The first slices of a path are given; each further one is predicted from the predictions before it
and the action, and drawn by the picture that has learned beside the dynamics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.navigation.clips import make_clips
from MRNLib.navigation.exported import Trained
from MRNLib.navigation.vetting import of_one_kind
from MRNLib.navigation.volumes import Volume

# The patient's sides at the upper and the lower end of each axis of the world.
DIRECTIONS = ("LR", "PA", "SI")


@dataclass(frozen=True)
class Journey:
    """A path through a volume, seen and imagined.

    Attributes:
        title: Whose slices along what path.
        warning: Said in colour where the volume is no person's; None otherwise.
        known: Slices that were given.
        width_mm: How wide the first slice is; the actions tell how much wider the others are.
        actions: ``[T - 1, 7]``.
        edges: What lies beyond each slice's left and upper edge, such as ``("R", "A")``.
        true: ``[T, S, S]`` in [0, 1].
        predicted: ``[T, S, S]``: the given slices drawn from their own latents, the others from
            predicted ones.
    """

    title: str
    warning: str | None
    known: int
    width_mm: float
    actions: Tensor
    edges: tuple[tuple[str, str], ...]
    true: Tensor
    predicted: Tensor

    def __len__(self) -> int:
        return len(self.true)


def chosen_volume(
    volumes: Sequence[Volume], unseen: Collection[str], patient: str | None, role: str | None
) -> Volume:
    """The volume to go through.

    Args:
        volumes: To choose from.
        unseen: Patients who were held out of the pre-training.
        patient: Whose; None for the first of the unseen, or the first if nobody of these is.
        role: Of which kind; None for the first.

    Raises:
        InputError: There is no such volume.
    """
    found = [one for one in volumes if role in (None, one.role) and patient in (None, one.name)]
    if not found:
        wanted = " and ".join(
            f"{name} {value}" for name, value in (("patient", patient), ("role", role)) if value
        )
        raise InputError(
            f"none of {len(volumes)} volumes is of {wanted}",
            expected=f"such as {volumes[0].name}, {volumes[0].role}",
        )
    return min(found, key=lambda one: one.name not in unseen)


@torch.no_grad()
def imagine(
    trained: Trained, volume: Volume, *, kind: str, length: int, known: int, seed: int
) -> Journey:
    """Follows a path through a volume with open eyes and with closed ones.

    Args:
        trained: The model.
        volume: Where to go.
        kind: Of the path: ``scroll``, ``tilt``, ``plane_switch``, ``zoom`` or ``random_walk``.
        length: Slices.
        known: How many of the first are given; at least one.
        seed: Of the path.

    Raises:
        InputError: The volume shows too little tissue along any path tried.
    """
    tokenizer, world, config = trained.tokenizer, trained.world, trained.config
    clips = of_one_kind(config.clips, kind, length=length)
    device = next(world.parameters()).device
    made = make_clips([volume], clips, [seed], device)
    latents = tokenizer.latents(made.frames[:, :known]).float()
    following = world.dynamics.rollout(
        latents, made.actions, length - known, window=config.clips.length - 1
    )
    drawn = world.picture.frames(torch.cat([latents, following], dim=1))
    path = kind.replace("_", " ")
    return Journey(
        title=f"{volume}{', held out' if trained.unseen(volume) else ''}: {path}",
        warning="Digital patient." if volume.phantom else None,
        known=known,
        width_mm=clips.size * clips.pixel_mm * math.exp(float(made.poses.log_scale[0, 0])),
        actions=made.actions[0].cpu(),
        edges=tuple(edge_letters(one) for one in made.poses.rotation[0]),
        true=made.frames[0].cpu(),
        predicted=drawn[0].clamp(0, 1).float().cpu(),
    )


def edge_letters(rotation: Tensor) -> tuple[str, str]:
    """The sides of the patient that a slice's left and upper edge are turned to.

    Args:
        rotation: ``[3, 3]``, as :class:`~MRNLib.navigation.poses.Poses` has it.
    """
    return _letter(-rotation[:, 0]), _letter(-rotation[:, 1])


def _letter(direction: Tensor) -> str:
    axis = int(direction.abs().argmax())
    return DIRECTIONS[axis][int(direction[axis] < 0)]
