"""Clips: slices along a path through a volume, with the actions between them.

A clip is made from its seed alone, so that a resumed training and one on several processes see what
one undisturbed process sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from MRNLib.errors import InputError
from MRNLib.models.config import IntensityConfig
from MRNLib.models.preprocess import to_unit_range
from MRNLib.navigation.poses import AXIAL, Poses, actions_between
from MRNLib.navigation.rendering import foreground, render
from MRNLib.navigation.trajectories import KINDS, MotionSettings, folded, trajectory
from MRNLib.navigation.volumes import Volume
from MRNLib.training.config import Strict
from MRNLib.training.sampling import generator_for

STATIC = "static"
# Pixels in one of the slices by which a path is judged.
COARSE = 4
# Volumes that are drawn for a clip, one after another, before it is given up.
DRAWS = 20


class KindShares(Strict):
    """How often each kind of path is taken, as shares of any sum.

    Attributes:
        scroll: Through neighbouring slices.
        tilt: Turns about an axis in the slice.
        plane_switch: From one of the three planes to another.
        zoom: Nearer and farther.
        random_walk: All of it at once.
    """

    scroll: float = Field(default=1.0, ge=0)
    tilt: float = Field(default=1.0, ge=0)
    plane_switch: float = Field(default=1.0, ge=0)
    zoom: float = Field(default=1.0, ge=0)
    random_walk: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _some(self) -> KindShares:
        if not sum(self.model_dump().values()) > 0:
            raise ValueError("at least one kind of path needs a share above 0")
        return self


class ClipSettings(Strict):
    """What clips look like.

    Attributes:
        length: Slices of a clip.
        size: Rows and columns of a slice.
        pixel_mm: Width of a pixel at log-scale 0.
        nm_window: Neuromelanin signal over its volume's reference that becomes 0 and 1, as in the
            preprocessing of the MRN that the encoder is for. Volumes are kept with the whole range
            of it; those of QSM are in MRN's window already.
        kinds: How often each kind of path is taken.
        motion: How paths begin and how far their steps go.
        least_foreground: Share of tissue that each slice of a clip has to show, coarsely seen.
        tries: Paths that are tried in a volume before another one is drawn.
    """

    length: int = Field(default=8, ge=2)
    size: int = Field(default=56, ge=1)
    pixel_mm: float = Field(default=1.0, gt=0)
    nm_window: tuple[float, float] = IntensityConfig.nm_window
    kinds: KindShares = KindShares()
    motion: MotionSettings = MotionSettings()
    least_foreground: float = Field(default=0.15, ge=0, le=1)
    tries: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _rises(self) -> ClipSettings:
        _ = self.relative_intensity
        return self

    @property
    def relative_intensity(self) -> IntensityConfig:
        """The windows of what has been divided by its reference already."""
        return IntensityConfig(nm_window=self.nm_window, nm_reference="none")


@dataclass(frozen=True, eq=False)
class Clips:
    """A batch of B clips of T slices.

    Attributes:
        frames: ``[B, T, size, size]`` float32 in [0, 1], on the device asked for.
        actions: ``[B, T - 1, 7]`` float32, there too: from each slice to the next
            (:func:`MRNLib.navigation.poses.actions_between`).
        poses: ``[B, T]`` float64, on the CPU.
        volumes: ``[B]`` int64, on the CPU: which volume each clip is of.
        kinds: B kinds of path; ``static`` for :func:`static_clips`.
    """

    frames: Tensor
    actions: Tensor
    poses: Poses
    volumes: Tensor
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)


def make_clips(
    volumes: Sequence[Volume],
    settings: ClipSettings,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    draws: int = DRAWS,
) -> Clips:
    """Clips along paths through random volumes.

    Args:
        volumes: To choose from.
        settings: What the clips look like.
        seeds: One a clip, 0 or above. The same seed gives the same clip, whatever the others are.
        device: Where frames and actions are wanted; slices are cut where their volume is.
        draws: Volumes that are drawn for a clip, the next where one shows too little tissue; of one
            alone it is as many times its tries.

    Raises:
        InputError: As many volumes in a row show too little tissue wherever they were tried.
    """
    return _together([_clip(volumes, settings, seed, draws) for seed in seeds], device)


def static_clips(
    volumes: Sequence[Volume],
    settings: ClipSettings,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    draws: int = DRAWS,
) -> Clips:
    """Clips of neighbouring axial slices as they are stored, for the static-volume baseline.

    As :func:`make_clips`, but nothing is oblique and nothing moves but the slice's number; the
    actions are those of the scroll. Pixels are as wide as those that paths begin with, one width a
    clip, so that the baseline sees the same scales. A volume of fewer slices than a clip has is
    scrolled forth and back.
    """
    return _together([_clip(volumes, settings, seed, draws, STATIC) for seed in seeds], device)


@dataclass(frozen=True)
class _Clip:
    frames: Tensor
    poses: Poses
    volume: int
    kind: str


def _clip(
    volumes: Sequence[Volume], settings: ClipSettings, seed: int, draws: int, kind: str = ""
) -> _Clip:
    """One clip; its kind is drawn once, volume and path until they show enough tissue.

    What the first volume can give depends on no later draw.
    """
    generator = generator_for(seed)
    for _ in range(draws):
        index = int(torch.randint(len(volumes), (), generator=generator))
        volume = volumes[index]
        if not kind:
            shares = torch.tensor([getattr(settings.kinds, name) for name in KINDS])
            kind = KINDS[int(torch.multinomial(shares, 1, generator=generator))]
        poses = _path_with_tissue(kind, volume, settings, generator)
        if poses is not None:
            frames = render(volume, poses, settings.size, settings.pixel_mm)
            return _Clip(_windowed(frames, volume, settings), poses, index, kind)
    before = f" (nor does any of {draws - 1} volumes drawn before)" if draws > 1 else ""
    raise InputError(
        f"{volume}: none of {settings.tries} paths tried ({kind}) shows tissue in "
        f"{100 * settings.least_foreground:.0f} % of each slice{before}",
        expected=f"a head that fills slices of {settings.size * settings.pixel_mm:.0f} mm",
        remedy="lower clips.least_foreground or clips.pixel_mm, or leave such volumes out",
    )


def _path_with_tissue(
    kind: str, volume: Volume, settings: ClipSettings, generator: Generator
) -> Poses | None:
    """The first of some paths whose slices all show enough tissue; None if none does."""
    size, pixel_mm = math.ceil(settings.size / COARSE), settings.pixel_mm * COARSE
    for _ in range(settings.tries):
        poses = _path(kind, volume, settings, generator)
        # More than half of the paths are given up: looked at coarsely first, that costs little.
        shown = foreground(render(volume, poses, size, pixel_mm))
        if shown.min() >= settings.least_foreground:
            return poses
    return None


def _windowed(frames: Tensor, volume: Volume, settings: ClipSettings) -> Tensor:
    """Frames ``[T, size, size]`` of a volume with the grey values of an MRN's images."""
    if volume.role != "NM":
        return frames
    return to_unit_range(frames / volume.reference, "NM", settings.relative_intensity)


def _path(kind: str, volume: Volume, settings: ClipSettings, generator: Generator) -> Poses:
    if kind == STATIC:
        return _neighbours(volume, settings, generator)
    return trajectory(kind, settings.length, generator, volume.tissue, settings.motion)


def _neighbours(volume: Volume, settings: ClipSettings, generator: Generator) -> Poses:
    """Neighbouring axial slices around a random voxel of the tissue's box."""
    spacing, origin = (
        torch.tensor(one, dtype=torch.float64) for one in (volume.spacing, volume.origin)
    )
    low, high = ((volume.tissue - origin) / spacing).round()
    chosen = torch.lerp(low, high, torch.rand(3, generator=generator, dtype=torch.float64))
    middle = chosen.round()
    length, last = settings.length, torch.tensor(volume.size[2] - 1.0, dtype=torch.float64)
    first = (middle[2].floor() - length // 2).clamp(torch.zeros(()), (last - length + 1).clamp(0))
    centre = middle.expand(length, 3).clone()
    centre[:, 2] = folded(first + torch.arange(length), torch.zeros_like(last), last)
    drawn = 2 * torch.rand((), generator=generator, dtype=torch.float64) - 1
    return Poses(
        origin + centre * spacing,
        AXIAL.expand(length, 3, 3),
        (settings.motion.log_scale * drawn).expand(length),
    )


def _together(clips: Sequence[_Clip], device: torch.device | str) -> Clips:
    poses = Poses.stack([clip.poses for clip in clips])
    return Clips(
        torch.stack([clip.frames.to(device) for clip in clips]),
        actions_between(poses[:, :-1], poses[:, 1:]).float().to(device),
        poses,
        torch.tensor([clip.volume for clip in clips]),
        tuple(clip.kind for clip in clips),
    )
