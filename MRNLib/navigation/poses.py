"""Where an oblique slice lies, and the action that leads from one slice to another.

World coordinates are canonical LPS millimetres: x to the patient's left, y to posterior, z to
superior. An action is what a hand does on a scanner's console: it is told in the frame of the slice
that is on the screen, so that it does not give away where in the head that slice lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ACTION_SIZE = 7
# Parts of an action: translation in mm, rotation vector in radians, change of the log-scale.
TRANSLATION, ROTATION, LOG_SCALE = slice(0, 3), slice(3, 6), slice(6, 7)

# Radiological display: the patient's right on the left of the screen, from the front or from below;
# the sagittal view is from the left, anterior on the left of the screen. Columns are u, v and n.
AXIAL = torch.eye(3, dtype=torch.float64)
CORONAL = torch.tensor([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
SAGITTAL = torch.tensor([[0, 0, -1], [1, 0, 0], [0, -1, 0]], dtype=torch.float64)
PLANES = {"axial": AXIAL, "coronal": CORONAL, "sagittal": SAGITTAL}


@dataclass(frozen=True, eq=False)
class Poses:
    """A batch of slices' poses, of any leading shape; float64 keeps a path from drifting.

    Attributes:
        centre: ``[..., 3]`` mm, world: the middle of the slice's image.
        rotation: ``[..., 3, 3]``; columns: u (along image columns, to the right of the screen), v
            (along image rows, down) and n (the normal, u x v).
        log_scale: ``[...]``; a pixel is ``pixel_mm * exp(log_scale)`` wide.
    """

    centre: Tensor
    rotation: Tensor
    log_scale: Tensor

    def __post_init__(self) -> None:
        shape = self.shape
        if self.centre.shape != (*shape, 3) or self.rotation.shape != (*shape, 3, 3):
            raise ValueError(
                f"poses {tuple(shape)} need centres [..., 3] and rotations [..., 3, 3], got "
                f"{tuple(self.centre.shape)} and {tuple(self.rotation.shape)}"
            )

    @property
    def shape(self) -> torch.Size:
        """The leading shape."""
        return self.log_scale.shape

    def __len__(self) -> int:
        return len(self.log_scale)

    def __getitem__(self, index: Any) -> Poses:
        return Poses(self.centre[index], self.rotation[index], self.log_scale[index])

    @classmethod
    def stack(cls, poses: Sequence[Poses]) -> Poses:
        """Poses of one shape along a new first dimension."""
        parts = zip(*((one.centre, one.rotation, one.log_scale) for one in poses), strict=True)
        return cls(*(torch.stack(part) for part in parts))

    def to(self, device: torch.device | str) -> Poses:
        """The same poses on a device."""
        return Poses(self.centre.to(device), self.rotation.to(device), self.log_scale.to(device))


def matrix_from_vector(vector: Tensor) -> Tensor:
    """Rotation matrices ``[..., 3, 3]`` of rotation vectors ``[..., 3]`` in radians.

    Rodrigues' formula; both of its quotients are written as sinc, which is exact at 0.
    """
    angle = torch.linalg.vector_norm(vector, dim=-1)[..., None, None]
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))
    first = torch.sinc(angle / math.pi)
    second = 0.5 * torch.sinc(angle / (2 * math.pi)) ** 2
    one = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return one + first * cross + second * cross @ cross


def vector_from_matrix(matrix: Tensor) -> Tensor:
    """Rotation vectors ``[..., 3]`` in radians, at most pi long, of matrices ``[..., 3, 3]``.

    By way of the unit quaternion: the logarithm taken from the trace loses half of the digits near
    0 and near pi. At pi itself the vector and its opposite mean the same, and either may be given.
    """
    quaternion = _quaternion(matrix)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    scalar, vector = quaternion[..., :1], quaternion[..., 1:]
    length = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    small = length < torch.finfo(matrix.dtype).eps
    ratio = 2 * torch.atan2(length, scalar) / length.masked_fill(small, 1.0)
    return vector * torch.where(small, 2.0, ratio)


def _quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternions ``[..., 4]``, scalar first and of either sign.

    Each row below is the quaternion times four times one of its parts; the row of the largest part
    is taken, so that nothing is divided by a small number (Shepperd 1978).
    """
    xx, xy, xz, yx, yy, yz, zx, zy, zz = matrix.flatten(-2).unbind(-1)
    table = (
        (1 + xx + yy + zz, zy - yz, xz - zx, yx - xy),
        (zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx),
        (xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy),
        (yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz),
    )
    rows = torch.stack([torch.stack(row, dim=-1) for row in table], dim=-2)
    largest = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)
    chosen = torch.take_along_dim(rows, largest[..., None, None], dim=-2)[..., 0, :]
    return functional.normalize(chosen, dim=-1)


def actions_between(first: Poses, second: Poses) -> Tensor:
    """The actions ``[..., 7]`` that lead from one pose to another.

    Returns:
        In the first slice's frame: the translation R1ᵀ(c2 - c1) in mm, the rotation vector of R1ᵀR2
        in radians, and the change of the log-scale.
    """
    back = first.rotation.mT
    translation = back @ (second.centre - first.centre)[..., None]
    rotation = vector_from_matrix(back @ second.rotation)
    change = second.log_scale - first.log_scale
    return torch.cat((translation[..., 0], rotation, change[..., None]), dim=-1)


def moved(pose: Poses, action: Tensor) -> Poses:
    """Where actions ``[..., 7]`` lead from poses: the inverse of :func:`actions_between`."""
    action = action.to(pose.centre)
    centre = pose.centre + (pose.rotation @ action[..., TRANSLATION, None])[..., 0]
    rotation = pose.rotation @ matrix_from_vector(action[..., ROTATION])
    return Poses(centre, rotation, pose.log_scale + action[..., 6])


def inverted(action: Tensor) -> Tensor:
    """The actions ``[..., 7]`` that lead back, each told in the frame in which it starts."""
    back = matrix_from_vector(-action[..., ROTATION])
    translation = -(back @ action[..., TRANSLATION, None])[..., 0]
    return torch.cat((translation, -action[..., ROTATION], -action[..., LOG_SCALE]), dim=-1)


def composed(first: Tensor, second: Tensor) -> Tensor:
    """One action ``[..., 7]`` for two, the second told in the frame where the first has led."""
    turn = matrix_from_vector(first[..., ROTATION])
    translation = first[..., TRANSLATION] + (turn @ second[..., TRANSLATION, None])[..., 0]
    rotation = vector_from_matrix(turn @ matrix_from_vector(second[..., ROTATION]))
    return torch.cat((translation, rotation, first[..., LOG_SCALE] + second[..., LOG_SCALE]), -1)
