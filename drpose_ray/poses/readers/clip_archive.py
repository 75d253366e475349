"""Our own archive of clips: one ``.npz`` of Motion-X rows, indexed by where each clip starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.poses.clip import MotionClip, out_of_range
from drpose_ray.poses.readers.arrays import check_num_frames, frame_rate
from drpose_ray.poses.readers.motionx_tree import check_rows
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.resample import plan_resampling

_REQUIRED: Final = ("motion", "clip_start", "clip_name", "fps")
_OPTIONAL: Final = ("valid", "source", "licence")


def is_clip_archive(fields: set[str]) -> bool:
    """Whether an ``.npz`` of these fields means to be one, complete or not."""
    return bool(fields & {"motion", "clip_start", "clip_name"})


def read_clip_archive(file: Path, reading: Reading) -> list[MotionClip]:
    """Read ``motion`` (T, 322), ``clip_start`` (n + 1), ``clip_name`` (n), ``fps``; ``valid`` (T,), source, licence.

    Raises InputError as ``read_motions`` does. Frames that are not finite are refused unless ``valid`` marks them: the
    archive has a field to say so, hence one that does not is broken.
    """
    fields = load_fields(file, (*_REQUIRED, *_OPTIONAL))
    for field in _REQUIRED:
        if field not in fields:
            raise InputError("a field is missing", file=file, field=field, remedy="see read_motions for the layout")
    motion = check_rows(fields["motion"], file, "motion")
    check_num_frames(len(motion), "motion", file)
    names, starts = _check_index(fields, len(motion), file)
    valid = fields.get("valid")
    if valid is not None and (valid.dtype != np.bool_ or valid.shape != (len(motion),)):
        raise InputError(
            "valid must be one bool per row", file=file, field="valid", value=valid.shape, remedy="correct the field"
        )
    resampling = plan_resampling(frame_rate(fields["fps"], "fps", file), reading.fps, file)
    step = resampling.stride
    source, licence = _text(fields, "source", file.stem, file), _text(fields, "licence", reading.licence, file)
    clips = []
    for name, start, end in zip(names, starts[:-1], starts[1:], strict=True):
        with np.errstate(over="ignore"):
            rows = motion[start:end:step].astype(np.float32)
        marks = None if valid is None else valid[start:end:step].copy()
        _refuse_unusable(rows, marks, file, name)
        rows, marks = resampling.apply(rows, marks)
        clips.append(MotionClip(name, rows, reading.fps, marks, source, licence))
    return clips


def _check_index(
    fields: Mapping[str, NDArray[Any]], num_rows: int, file: Path
) -> tuple[list[str], NDArray[np.integer]]:
    names, starts = fields["clip_name"], fields["clip_start"]
    if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
        raise InputError(
            "clip names must be distinct strings",
            file=file,
            field="clip_name",
            value=f"{names.dtype} {names.shape}",
            remedy="give every clip its own name",
        )
    shape_fits = starts.dtype.kind in "iu" and starts.shape == (len(names) + 1,)
    if not shape_fits or starts[0] != 0 or starts[-1] != num_rows or (np.diff(starts.astype(np.int64)) <= 0).any():
        raise InputError(
            f"clip_start must rise from 0 to the {num_rows} rows, one more entry than clips",
            file=file,
            field="clip_start",
            value=starts[:8].tolist() if starts.ndim else starts.item(),
            remedy="store each clip's first row, then the number of rows",
        )
    return names.tolist(), starts


def _text(fields: Mapping[str, NDArray[Any]], name: str, default: str, file: Path) -> str:
    """One string of the archive."""
    value = fields.get(name)
    if value is None:
        return default
    if value.dtype.kind != "U" or value.ndim != 0:
        raise InputError(
            f"{name} must be one string", file=file, field=name, value=f"{value.dtype} {value.shape}",
            remedy=f"store np.array('the {name}')",
        )  # fmt: skip
    return str(value)


def _refuse_unusable(rows: NDArray[np.float32], valid: NDArray[np.bool_] | None, file: Path, name: str) -> None:
    """Frames that the file itself marks invalid may hold anything; elsewhere NaN means a broken recording."""
    counted = np.ones(len(rows), bool) if valid is None else valid
    for problem, frames in (("finite", ~np.isfinite(rows).all(1)), ("in range", out_of_range(rows))):
        bad = frames & counted
        if bad.any():
            raise InputError(
                f"{int(bad.sum())} of {len(rows)} frames are not {problem}, the first is {int(bad.argmax())}",
                file=file,
                field="motion",
                value=name,
                remedy="repair or remove the clip, or mark those frames in a 'valid' field",
            )
