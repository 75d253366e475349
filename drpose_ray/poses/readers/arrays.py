"""Checks that the readers of motions share: columns, lengths and rates of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError


def check_columns(fields: dict[str, NDArray[Any]], name: str, columns: tuple[int, ...], file: Path) -> NDArray[Any]:
    """The floating-point field (T, one of ``columns``) with at least one frame; InputError names what it is instead."""
    value = fields.get(name)
    if value is None or value.ndim != 2 or value.shape[1] not in columns or value.dtype.kind != "f" or not len(value):
        raise InputError(
            f"{name} must be floating point, shape (frames, {' or '.join(map(str, columns))}), at least one frame",
            file=file,
            field=name,
            value=None if value is None else f"{value.dtype} {value.shape}",
            remedy="export the sequence again; see read_motions for the layouts",
        )
    return value


def check_length(fields: dict[str, NDArray[Any]], name: str, length: int, file: Path) -> None:
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
    """One finite number above zero, e.g. a frame rate."""
    if value.dtype.kind not in "iuf" or value.size != 1 or not np.isfinite(value).all() or value.item() <= 0:
        raise InputError(
            f"{field} must be one positive number",
            file=file,
            field=field,
            value=value.tolist() if value.dtype.kind != "O" else "object array",
            remedy="store it as one number" if "fps" not in field else "store the recording's frame rate",
        )
    return float(value.item())
