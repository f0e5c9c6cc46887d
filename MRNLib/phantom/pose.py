"""How an anatomical frame lies in a volume, and a smooth warp of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WARP_MM = 0.5


@dataclass(frozen=True)
class Pose:
    """How the anatomical frame lies in the volume.

    Attributes:
        origin: Frame origin, (x, y, z) mm in the volume.
        scale: Isotropic size factor.
        yaw: Rotation about the superior axis, radians, left towards anterior.
        roll: Rotation about the anterior axis, radians, left towards superior.
    """

    origin: np.ndarray
    scale: float
    yaw: float
    roll: float

    def to_volume(self, point: np.ndarray) -> np.ndarray:
        """Frame (left, anterior, superior) mm to volume (x, y, z) mm; [3] or [3, points]."""
        x, y, z = np.asarray(point, dtype=float) * self.scale
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        x, z = x * cos - z * sin, x * sin + z * cos
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        moved = np.array([x * cos - y * sin, x * sin + y * cos, z])
        return moved + self.origin.reshape(3, *[1] * (moved.ndim - 1))

    def to_frame(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
        """Volume coordinates (broadcastable arrays, mm) to the frame's left, anterior, superior."""
        x, y, z = (
            np.float32(1 / self.scale) * (c - np.float32(o))
            for c, o in zip((x, y, z), self.origin, strict=True)
        )
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        x, y = x * cos + y * sin, y * cos - x * sin
        cos, sin = np.float32(np.cos(self.roll)), np.float32(np.sin(self.roll))
        return x * cos + z * sin, y, z * cos - x * sin


class Warp:
    """A smooth in-plane displacement made of a few waves; its amplitude is ``WARP_MM`` (SD)."""

    def __init__(self, random: np.random.Generator, waves: int = 4) -> None:
        self._wave = random.normal(0.0, 1.0 / 18.0, (2, waves, 3))
        self._phase = random.uniform(0.0, 2 * np.pi, (2, waves))
        self._amplitude = WARP_MM * np.sqrt(2.0 / waves)

    def __call__(self, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Displacement along x and y in mm on the plane of ``x`` [columns], ``y`` [rows, 1]."""
        shift = []
        for wave, phase in zip(self._wave, self._phase, strict=True):
            total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
            for (wx, wy, wz), offset in zip(wave, phase, strict=True):
                total += np.sin(
                    np.float32(wx) * x + np.float32(wy) * y + np.float32(wz * z + offset)
                )
            shift.append(total * np.float32(self._amplitude))
        return shift[0], shift[1]
