"""The clips that frozen features are probed on, and which patients may be in them.

Two sets of clips of each volume: from anywhere in the head, as pre-training sees it, for poses; and
around the nuclei, for outlines of what most slices do not show.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.navigation.clips import ClipSettings, make_clips
from MRNLib.navigation.poses import Poses, actions_between
from MRNLib.navigation.rendering import render_labels
from MRNLib.navigation.volumes import Volume
from MRNLib.progress import Progress, silent
from MRNLib.training.sampling import generator_for

ANYWHERE, AROUND_NUCLEI = range(2)


@dataclass(frozen=True, eq=False)
class ProbeClips:
    """B clips of T slices of known patients.

    Attributes:
        frames: ``[B, T, S, S]`` float32 in [0, 1].
        poses: ``[B, T]``; centres in mm from the middle of the volume's tissue box.
        patients: ``[B]`` names.
        roles: ``[B]``: ``QSM``, ``NM`` ...
        labels: ``[B, T, S, S]`` uint8: 0 background, n the n-th nucleus of the role, left and right
            merged; None where they were not asked for.
    """

    frames: Tensor
    poses: Poses
    patients: tuple[str, ...]
    roles: tuple[str, ...]
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def actions(self) -> Tensor:
        """``[B, T - 1, 7]`` float32: from each slice to the next."""
        return actions_between(self.poses[:, :-1], self.poses[:, 1:]).float()

    def outlined_of(self, role: str) -> tuple[Tensor, Tensor, list[str]]:
        """The clips of one role, ``[B]`` bool, their labels, and whose they are."""
        assert self.labels is not None
        chosen = torch.tensor([one == role for one in self.roles])
        names = [self.patients[place] for place in chosen.nonzero()[:, 0].tolist()]
        return chosen, self.labels[chosen], names


class _AroundNuclei(Volume):
    """A volume whose paths lead through its nuclei."""

    @cached_property
    def tissue(self) -> Tensor:
        """``[2, 3]`` lowest and highest corner in mm of the box that holds all labels."""
        if self.labels is None or not self.labels.any():
            raise InputError(
                f"{self} has no outlined nuclei",
                remedy="make the volumes again with pretrain_navigation.py volumes --labels",
            )
        found = self.labels.nonzero()
        ends = torch.stack([found.amin(0), found.amax(0)]).flip(1).double()
        spacing, origin = (ends.new_tensor(one) for one in (self.spacing, self.origin))
        return origin + ends * spacing


def refuse_shared_patients(
    train: Collection[str], test: Collection[str], pretrained: Collection[str]
) -> None:
    """Refuses patients whom a probe would be trained and tested on, or the encoder has met.

    Args:
        train: Names of the patients that probes learn from.
        test: Of those that they are tested on.
        pretrained: Of those that pre-training is known to have learned from or held out.

    Raises:
        InputError: There are such patients.
    """
    for first, second, said in (
        (train, test, "both to learn probes from and to test them on"),
        (train, pretrained, "in the pre-training and to learn probes from"),
        (test, pretrained, "in the pre-training and to test probes on"),
    ):
        if shared := sorted({*first} & {*second}):
            raise InputError(
                f"{shared[0]} is {said} (patients shared: {len(shared)})",
                expected="each patient in one of them",
                remedy="name other seeds",
            )


def probe_clips(
    volumes: Sequence[Volume],
    settings: ClipSettings,
    number: int,
    seed: int,
    *,
    nuclei: bool = False,
    progress: Progress = silent,
) -> ProbeClips:
    """Clips to probe features on.

    Args:
        volumes: All of one side of the split.
        settings: The pre-training's clips.
        number: Clips of each volume.
        seed: A clip depends on it, on its volume's patient and role, and on its number there.
        nuclei: Around the nuclei and with labels, instead of anywhere and without.
        progress: Called before each volume; may raise ``Cancelled``.

    Raises:
        InputError: A volume shows too little tissue, or lacks the labels that are asked for.
    """
    frames, poses, labels = [], [], []
    for place, volume in enumerate(volumes):
        progress(place / len(volumes), f"cutting slices of {volume.name}")
        mark = zlib.crc32(f"{volume.name} {volume.role}".encode())
        use = AROUND_NUCLEI if nuclei else ANYWHERE
        seeds = [generator_for(seed, mark, use, clip).initial_seed() for clip in range(number)]
        shown = _around_nuclei(volume) if nuclei else volume
        clips = make_clips([shown], settings, seeds)
        frames.append(clips.frames)
        middle = volume.tissue.mean(0)
        own = clips.poses
        poses += [
            Poses(own.centre[clip] - middle, own.rotation[clip], own.log_scale[clip])
            for clip in range(number)
        ]
        if nuclei:
            labels += [_merged(volume, own[clip], settings) for clip in range(number)]
    return ProbeClips(
        torch.cat(frames),
        Poses.stack(poses),
        tuple(one.name for one in volumes for _ in range(number)),
        tuple(one.role for one in volumes for _ in range(number)),
        torch.stack(labels) if nuclei else None,
    )


def _around_nuclei(volume: Volume) -> Volume:
    return _AroundNuclei(**{one.name: getattr(volume, one.name) for one in fields(volume)})


def _merged(volume: Volume, poses: Poses, settings: ClipSettings) -> Tensor:
    """Labels ``[T, S, S]`` of a clip: odd ones are right, the even ones after them left."""
    labels = render_labels(volume, poses, settings.size, settings.pixel_mm)
    return (labels + 1) // 2
