"""From the rate that a motion was recorded at to the rate that is wanted.

Where the one is a whole multiple of the other, frames are taken as they are. Else (25 to 30, 100 to 30, 29.97 to 30)
frames between two recorded ones are made: rotations turn evenly from one to the other about a fixed axis (slerp),
everything else goes straight.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.geometry.motion_row import ROTATIONS
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle

_LOWEST_SHARE: Final = 0.5
"""Of the wanted rate; below it, most frames of the result would be made up."""
_CHUNK: Final = 10_000
_JOINTS: Final = (ROTATIONS.stop - ROTATIONS.start) // 3
_EXACT: Final = 1e-6
"""Frames; a place so near to a recorded frame is that frame."""


@dataclass(frozen=True)
class Resampling:
    """How frames are taken: first every ``stride``-th, then, where ``step`` is not 1, places ``step`` frames apart."""

    stride: int
    step: float

    def apply(
        self, rows: NDArray[np.float32], valid: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Rows (T, 322) that were taken by ``stride`` already, and their mask, at the wanted rate.

        A frame is valid if the recorded ones that it is made of are.
        """
        if self.step == 1:
            return rows, valid
        num = int(np.floor((len(rows) - 1) / self.step + _EXACT)) + 1
        places = np.arange(num) * self.step
        first = np.minimum(np.floor(places + _EXACT).astype(np.int64), len(rows) - 1)
        share = places - first
        share[share < _EXACT] = 0
        second = np.minimum(first + (share > 0), len(rows) - 1)
        made = np.empty((num, rows.shape[1]), np.float32)
        for start in range(0, num, _CHUNK):
            part = slice(start, start + _CHUNK)
            with np.errstate(invalid="ignore", over="ignore"):  # frames that are masked may hold anything
                made[part] = _between(rows[first[part]], rows[second[part]], share[part])
        return made, None if valid is None else valid[first] & valid[second]


def plan_resampling(recorded_fps: float, fps: float, file: Path) -> Resampling:
    """How motion recorded at one rate is brought to ``fps``.

    Raises:
        InputError: there is less than one recorded frame for two wanted ones.
    """
    ratio = recorded_fps / fps
    if ratio < _LOWEST_SHARE:
        raise InputError(
            f"{recorded_fps:g} fps are too few for {fps:g} fps: most frames would be made up", file=file, field="fps",
            value=recorded_fps, remedy="ask for a lower poses.fps, or leave the motion out",
        )  # fmt: skip
    if abs(ratio - round(ratio)) <= 1e-6:
        return Resampling(round(ratio), 1)
    return Resampling(1, ratio)


def _between(one: NDArray[np.float32], other: NDArray[np.float32], share: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows (T, 322) at ``share`` (T,) of the way from ``one`` to ``other``; those of share 0 are ``one``'s."""
    result = one.copy()
    moved = share > 0
    one, other, weight = one[moved].astype(np.float64), other[moved].astype(np.float64), share[moved][:, None]
    between = one + weight * (other - one)
    start, end = (axis_angle_to_matrix(rows[:, ROTATIONS].reshape(len(rows), _JOINTS, 3)) for rows in (one, other))
    turned = axis_angle_to_matrix(weight[..., None] * matrix_to_axis_angle(start.swapaxes(-1, -2) @ end))
    between[:, ROTATIONS] = matrix_to_axis_angle(start @ turned).reshape(len(between), 3 * _JOINTS)
    result[moved] = between
    return result
