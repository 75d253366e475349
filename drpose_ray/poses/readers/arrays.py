"""Checks that the readers of motions share: columns, lengths and rates of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.poses.readers.budget import MAX_FPS, MAX_FRAMES, MIN_FPS

Fields = Mapping[str, NDArray[Any]]


def check_columns(fields: Fields, name: str, columns: tuple[int, ...], file: Path) -> NDArray[Any]:
    """The floating-point field (T, one of ``columns``), 1 to `MAX_FRAMES` frames; InputError names what it is instead.

    One of (T, joints, 3) is taken as (T, 3 joints).
    """
    value = fields.get(name)
    flat = value.reshape(len(value), -1) if value is not None and value.ndim == 3 and value.shape[2] == 3 else value
    if flat is None or flat.ndim != 2 or flat.shape[1] not in columns or flat.dtype.kind != "f" or not len(flat):
        raise InputError(
            f"{name} must be floating point, shape (frames, {' or '.join(map(str, columns))}), at least one frame",
            file=file,
            field=name,
            value=None if value is None else f"{value.dtype} {value.shape}",
            remedy="export the sequence again; see read_motions for the layouts",
        )
    check_num_frames(len(flat), name, file)
    return flat


def check_num_frames(num: int, field: str, file: Path) -> None:
    """Refuse what is longer than any recording."""
    if num > MAX_FRAMES:
        raise InputError(
            f"more than {MAX_FRAMES} frames", file=file, field=field, value=num, remedy="cut the motion into clips"
        )


def check_length(fields: Fields, name: str, length: int, file: Path) -> None:
    """Refuse a field whose frames are not those of the poses."""
    if len(fields[name]) != length:
        raise InputError(
            f"{name} has other frames than the poses, which have {length}",
            file=file,
            field=name,
            value=len(fields[name]),
            remedy="export the sequence again",
        )


def positive_number(value: NDArray[Any], field: str, file: Path) -> float:
    """One finite number above zero."""
    if value.dtype.kind not in "iuf" or value.size != 1 or not np.isfinite(value).all() or value.item() <= 0:
        raise InputError(
            f"{field} must be one positive number",
            file=file,
            field=field,
            value=f"{value.dtype} {value.shape}" if value.size != 1 else value.item(),
            remedy="store it as one number",
        )
    return float(value.item())


def frame_rate(value: NDArray[Any], field: str, file: Path) -> float:
    """Frames per second: one number that a camera may have."""
    rate = positive_number(value, field, file)
    if not MIN_FPS <= rate <= MAX_FPS:
        raise InputError(
            f"{field} is no frame rate ({MIN_FPS:g} to {MAX_FPS:g})", file=file, field=field, value=rate,
            remedy="store the recording's frames per second",
        )  # fmt: skip
    return rate
