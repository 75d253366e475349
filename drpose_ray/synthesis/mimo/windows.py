"""Which frames are denoised together: overlapping windows over a closed loop (docs/facts/mimo.md, 2.6)."""

from __future__ import annotations

from typing import Final

from drpose_ray.core.errors import InputError

WINDOW_FRAMES: Final = 24
OVERLAP_FRAMES: Final = 4


def frame_windows(
    num_frames: int, size: int = WINDOW_FRAMES, overlap: int = OVERLAP_FRAMES
) -> tuple[tuple[int, ...], ...]:
    """Frame numbers of each window.

    Up to ``size`` frames are one window. More are covered by windows of exactly ``size`` that start every
    ``size - overlap`` frames and wrap around the end; the same at every denoising step.

    Raises InputError if there are no frames or the windows would not advance.
    """
    if num_frames < 1:
        raise InputError("no frames", field="num_frames", value=num_frames, remedy="give at least one pose")
    if not 0 <= overlap < size:
        raise InputError(
            "windows that do not advance", field="overlap", value=overlap, remedy=f"choose 0 to {size - 1} frames"
        )
    if num_frames <= size:
        return (tuple(range(num_frames)),)
    return tuple(tuple((start + i) % num_frames for i in range(size)) for start in range(0, num_frames, size - overlap))
