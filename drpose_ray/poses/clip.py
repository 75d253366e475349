"""One clip of Motion-X rows, and which of its frames hold numbers that a body can take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.geometry.motion_row import LARGEST

UpAxis = Literal["y", "z"]

UNSTATED: Final = "unstated"
"""The licence of motions that state none."""


@dataclass(frozen=True)
class MotionClip:
    """One clip of Motion-X rows; frames that ``valid`` marks False must not be selected."""

    name: str
    motion: NDArray[np.float32]  # (T, 322)
    fps: float
    valid: NDArray[np.bool_] | None  # (T,), None: every frame
    source: str
    licence: str
    taken_as_up: UpAxis | None = None
    """The file's axis that was taken for up where its layout leaves that open; None where it is known."""


def out_of_range(rows: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(T, 322) -> (T,): frames with a finite number that is no angle, place or shape of a body (`LARGEST`)."""
    beyond: NDArray[np.bool_] = (np.isfinite(rows) & (np.abs(rows) > LARGEST)).any(1)
    return beyond


def measured(rows: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(T, 322) -> (T,): frames whose every number is finite and in range."""
    frames: NDArray[np.bool_] = np.isfinite(rows).all(1) & ~out_of_range(rows)
    return frames


def finite_frames(rows: NDArray[np.floating], file: Path, field: str = "motion") -> NDArray[np.bool_] | None:
    """(T, 322) -> (T,): finite and in range; None where every frame is. A clip of nothing else is refused."""
    usable = measured(rows)
    if not usable.any():
        raise InputError(
            f"none of {len(rows)} frames is finite" if not np.isfinite(rows).all(1).any()
            else f"every one of {len(rows)} frames has a number that is no angle in radians or place in metres",
            file=file, field=field, remedy="repair or remove the clip",
        )  # fmt: skip
    return None if usable.all() else usable
