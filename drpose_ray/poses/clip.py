"""One clip of Motion-X rows, and the checks that every reader of clips shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError

UNSTATED = "unstated"
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


def whole_stride(recorded_fps: float, fps: float, file: Path) -> int:
    """Every how many frames one is taken; InputError unless ``fps`` divides ``recorded_fps``."""
    ratio = recorded_fps / fps
    if ratio < 1 or abs(ratio - round(ratio)) > 1e-6:
        raise InputError(
            f"{recorded_fps:g} fps cannot be thinned to {fps:g} fps by whole steps",
            file=file,
            field="fps",
            value=recorded_fps,
            remedy="ask for a rate that divides the recorded one, or resample the motions",
        )
    return round(ratio)


def finite_frames(rows: NDArray[np.floating], file: Path, field: str = "motion") -> NDArray[np.bool_] | None:
    """(T, 322) -> (T,), None where every frame is finite. A clip of nothing else is refused."""
    finite: NDArray[np.bool_] = np.isfinite(rows).all(1)
    if not finite.any():
        raise InputError(
            f"none of {len(rows)} frames is finite",
            file=file,
            field=field,
            remedy="repair or remove the clip",
        )
    return None if finite.all() else finite
