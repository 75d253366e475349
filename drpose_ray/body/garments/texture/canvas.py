"""What a picture is painted on: texels by their place on the mean body, with edges as soft as a texel is large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_SHOULDER_X, _ARMPIT_Y, CROTCH_Y = 0.2, 0.0, -0.43
_SHARPEST_M, _SOFTEST_M = 0.003, 0.03


@dataclass(frozen=True)
class Canvas:
    """Places on the mean body in the T-pose, in metres: x to the person's left, y up.

    Attributes:
        points: (n, 3); ``part`` (n,) which piece of the garment each is of, the largest first.
        texel_m: the side of a texel.
    """

    points: Array
    part: NDArray[np.int64]
    texel_m: float

    def filled(self, colour: NDArray[np.floating]) -> Array:
        """(n, 3) of one ``colour`` (3,)."""
        return np.tile(np.asarray(colour, np.float32), (len(self.points), 1))

    def edge(self, inside_m: NDArray[np.floating]) -> Array:
        """(n,) from 0 to 1 where ``inside_m`` (n,) passes zero. A sharper edge than the texels would come out torn."""
        softness = float(np.clip(1.6 * self.texel_m, _SHARPEST_M, _SOFTEST_M))
        edge: Array = np.clip(inside_m / softness + 0.5, 0, 1).astype(np.float32)
        return edge

    def band(self, place: Array, period_m: float, phase: float, share: float) -> Array:
        """(n,) one within the ``share`` of each period that a stripe takes along ``place`` (n,)."""
        return self.edge((share / 2 - saw(place / period_m + phase)) * period_m)

    def axes(self) -> tuple[Array, Array]:
        """Places (n,) along the cloth and across it: down the trunk and the legs, out along the arms as stripes of real
        sleeves run, and around whichever of them it is.
        """
        x, y, z = self.points.T
        reach = np.maximum(np.abs(x) - _SHOULDER_X, 0)
        arm, leg = (reach > 0) & (y > _ARMPIT_Y), y < CROTCH_Y
        along = np.where(arm, 0.14 - reach, y)
        around_arm, around_leg = np.arctan2(z - 0.02, y - 0.14), np.arctan2(np.abs(x) - 0.12, z)
        around = np.where(arm, 0.06 * around_arm, np.where(leg, 0.09 * around_leg, 0.15 * np.arctan2(x, z)))
        return along.astype(np.float32), around.astype(np.float32)


def saw(place: Array) -> Array:
    """(n,) how far from the nearest whole number, in [0, .5]."""
    return np.abs(place - np.round(place))


def mix(colours: Array, colour: NDArray[np.floating], weight: NDArray[np.floating]) -> None:
    """Blend ``colour`` (3,) into ``colours`` (n, 3) by ``weight`` (n,) in [0, 1]."""
    colours += np.asarray(weight, np.float32)[:, None] * (np.asarray(colour, np.float32) - colours)


def smooth_noise(points: Array, rng: np.random.Generator, frequency: float) -> Array:
    """(n,) smooth noise in about [-1, 1]: a sum of plane waves of random direction and phase, radians per metre."""
    waves = rng.normal(size=(6, 3))
    waves *= (frequency * rng.uniform(0.6, 1.6, 6) / np.linalg.norm(waves, axis=1))[:, None]
    phases = points @ waves.T.astype(np.float32) + rng.uniform(0, 2 * np.pi, 6).astype(np.float32)
    total: Array = np.sin(phases).sum(1) / 3
    return total
