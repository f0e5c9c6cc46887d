"""Paths of slices through a head: what a reader does who looks through a volume.

Every step has its own size, and paths turn back now and then, so that the next step cannot be
guessed from the last ones: a model that is to predict the next slice has to read its action.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field, field_validator, model_validator
from torch import Generator, Tensor

from MRNLib.navigation.poses import PLANES, Poses, matrix_from_vector, vector_from_matrix
from MRNLib.training.config import Strict

# A normal whose part along an axis is smaller runs level with the box's sides there.
LEVEL = 1e-9


class MotionSettings(Strict):
    """How paths begin and how far their steps go.

    Attributes:
        oblique_degrees: A path begins in one of the three planes, turned about a random axis by up
            to this.
        log_scale: Widest range of the log-scale, to either side of 0.
        scroll_mm: Shortest and longest step along the normal.
        tilt_degrees: Smallest and largest turn about an axis in the slice.
        zoom: Smallest and largest change of the log-scale.
        walk_mm: Standard deviation of a random walk's step along each axis.
        walk_degrees: The same for its turn.
        walk_log_scale: The same for its log-scale.
        turn_back: Chance of each step to go the other way than the one before.
    """

    oblique_degrees: float = Field(default=15.0, ge=0, le=90)
    log_scale: float = Field(default=0.4, ge=0, le=2)
    scroll_mm: tuple[float, float] = (1.0, 6.0)
    tilt_degrees: tuple[float, float] = (2.0, 12.0)
    zoom: tuple[float, float] = (0.03, 0.2)
    walk_mm: float = Field(default=3.0, ge=0)
    walk_degrees: float = Field(default=5.0, ge=0)
    walk_log_scale: float = Field(default=0.05, ge=0)
    turn_back: float = Field(default=0.25, ge=0, le=1)

    @field_validator("scroll_mm", "tilt_degrees", "zoom")
    @classmethod
    def _rises(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if not 0 < ends[0] <= ends[1]:
            raise ValueError(f"a shortest and a longest step above 0, got {ends}")
        return ends

    @model_validator(mode="after")
    def _turns_less_than_half(self) -> MotionSettings:
        if self.tilt_degrees[1] >= 180:
            raise ValueError(f"a tilt is below 180 degrees, got {self.tilt_degrees}")
        return self


@dataclass(frozen=True)
class _Start:
    """Where a path begins, and what it is made with.

    Attributes:
        poses: ``[length]`` times the first pose.
        other: ``[3, 3]``: a rotation in another plane.
        bounds: ``[2, 3]`` mm, float64: the box that no centre leaves.
        generator: Of all that follows.
        settings: Sizes of the steps.
    """

    poses: Poses
    other: Tensor
    bounds: Tensor
    generator: Generator
    settings: MotionSettings

    def uniform(self, *shape: int) -> Tensor:
        """Random numbers in [0, 1)."""
        return _uniform(self.generator, *shape)

    def ways(self, smallest: float, largest: float) -> Tensor:
        """How far ``[length]`` from the start: steps of random size that sometimes turn back."""
        steps = len(self.poses) - 1
        sizes = smallest + (largest - smallest) * self.uniform(steps)
        back = self.uniform(steps) < self.settings.turn_back
        back[0] = bool(self.uniform() < 0.5)
        signs = torch.where(back, -1.0, 1.0).cumprod(0)
        return torch.cat((torch.zeros(1), (signs * sizes).cumsum(0)))

    def scaled(self, ways: Tensor) -> Tensor:
        """Log-scales ``[length]``, these ways from the first one, inside their range."""
        limit = torch.tensor(self.settings.log_scale, dtype=torch.float64)
        return folded(self.poses.log_scale + ways, -limit, limit)


def trajectory(
    kind: str, length: int, generator: Generator, bounds: Tensor, settings: MotionSettings
) -> Poses:
    """A path of slices.

    Args:
        kind: One of ``KINDS``. ``scroll`` moves along the normal, ``tilt`` turns about an axis in
            the slice, ``plane_switch`` turns from one of the three planes to another, ``zoom``
            changes the scale; each of these does nothing else. ``random_walk`` does all at once.
        length: Slices, two or more.
        generator: All of the path's chance, on the CPU.
        bounds: ``[2, 3]`` lowest and highest corner in mm of the box that no centre leaves.
        settings: Sizes of the steps.

    Returns:
        ``[length]`` poses, float64, on the CPU.
    """
    if length < 2:
        raise ValueError(f"a path has two slices or more, got {length}")
    bounds = bounds.double()
    centre = torch.lerp(bounds[0], bounds[1], _uniform(generator, 3))
    planes = torch.randperm(len(PLANES), generator=generator)[:2].tolist()
    first, other = (_oblique(plane, generator, settings) for plane in planes)
    log_scale = (2 * _uniform(generator) - 1) * settings.log_scale
    poses = Poses(centre.expand(length, 3), first.expand(length, 3, 3), log_scale.expand(length))
    return _PATHS[kind](_Start(poses, other, bounds, generator, settings))


def _scroll(start: _Start) -> Poses:
    poses = start.poses
    normal, centre = poses.rotation[0, :, 2], poses.centre[0]
    # How far along the normal the box goes on: to the nearest of its sides each way.
    level = normal.abs() < LEVEL
    sides = ((start.bounds - centre) / normal.masked_fill(level, 1.0)).sort(0).values
    back = sides[0].masked_fill(level, -torch.inf).amax()
    forth = sides[1].masked_fill(level, torch.inf).amin()
    ways = folded(start.ways(*start.settings.scroll_mm), back, forth)
    return Poses(centre + ways[:, None] * normal, poses.rotation, poses.log_scale)


def _tilt(start: _Start) -> Poses:
    poses = start.poses
    direction = 2 * math.pi * start.uniform()
    axis = torch.stack((direction.cos(), direction.sin(), torch.zeros_like(direction)))
    smallest, largest = (math.radians(end) for end in start.settings.tilt_degrees)
    turns = matrix_from_vector(start.ways(smallest, largest)[:, None] * axis)
    return Poses(poses.centre, poses.rotation @ turns, poses.log_scale)


def _plane_switch(start: _Start) -> Poses:
    """The shortest turn to the other plane; no step is more than twice as large as another."""
    poses = start.poses
    parts = 1 + start.uniform(len(poses) - 1)
    shares = torch.cat((torch.zeros(1), parts.cumsum(0) / parts.sum()))
    way = vector_from_matrix(poses.rotation[0].T @ start.other)
    turns = matrix_from_vector(shares[:, None] * way)
    return Poses(poses.centre, poses.rotation @ turns, poses.log_scale)


def _zoom(start: _Start) -> Poses:
    scales = start.scaled(start.ways(*start.settings.zoom))
    return Poses(start.poses.centre, start.poses.rotation, scales)


def _random_walk(start: _Start) -> Poses:
    poses, settings = start.poses, start.settings
    steps = torch.randn(len(poses), 7, generator=start.generator, dtype=torch.float64)
    steps[0] = 0
    places = poses.centre + settings.walk_mm * steps[:, :3].cumsum(0)
    turns = matrix_from_vector(math.radians(settings.walk_degrees) * steps[:, 3:6])
    rotations = [poses.rotation[0]]
    for turn in turns[1:]:
        rotations.append(rotations[-1] @ turn)
    return Poses(
        folded(places, *start.bounds),
        torch.stack(rotations),
        start.scaled(settings.walk_log_scale * steps[:, 6].cumsum(0)),
    )


_PATHS: dict[str, Callable[[_Start], Poses]] = {
    "scroll": _scroll,
    "tilt": _tilt,
    "plane_switch": _plane_switch,
    "zoom": _zoom,
    "random_walk": _random_walk,
}
KINDS = tuple(_PATHS)


def folded(ways: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Ways thrown back at both ends of a range, as light is by two mirrors; same shape."""
    span = high - low
    there_and_back = torch.where(span > 0, 2 * span, 1.0)
    inside = low + span - (torch.remainder(ways - low, there_and_back) - span).abs()
    return torch.clamp(inside, low, high)  # rounding, and a range of no length


def _oblique(plane: int, generator: Generator, settings: MotionSettings) -> Tensor:
    """The rotation of one of the three planes, turned about a random axis."""
    axis = torch.randn(3, generator=generator, dtype=torch.float64)
    angle = math.radians(settings.oblique_degrees) * _uniform(generator)
    rotation = list(PLANES.values())[plane]
    return rotation @ matrix_from_vector(angle * axis / torch.linalg.vector_norm(axis))


def _uniform(generator: Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)
