"""Clips of Motion-X rows (Sec. 3.2's pose source) and their readers."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.geometry.motion_row import NUM_COLUMNS

NPY_FPS: Final = 30.0
"""Frame rate of Motion-X's own .npy files, which do not store one."""


@dataclass(frozen=True)
class MotionClip:
    """One clip of Motion-X rows; frames that ``valid`` marks False must not be selected."""

    name: str
    motion: NDArray[np.float32]  # (T, 322)
    fps: float
    valid: NDArray[np.bool_] | None  # (T,), None: every frame
    source: str
    licence: str


def read_motions(path: Path, fps: float = 30, licence: str = "unstated") -> list[MotionClip]:
    """Read every clip below ``path``, in the order of their names or of the file, thinned to ``fps``.

    Args:
        path: A folder tree of ``.npy`` files (T, 322) at 30 fps, named by their path below the folder; or one ``.npz``
            with ``motion`` (T, 322), ``clip_start`` (n + 1), ``clip_name`` (n), ``fps`` and, optionally, ``valid``
            (T,), ``source`` and ``licence``.
        fps: Target rate. Frames are taken at an integer stride, never interpolated.
        licence: Terms recorded for data that does not state its own.

    Raises:
        InputError: missing, empty, unreadable or malformed input, object arrays, a wrong column count, numbers that
            are not finite in frames not marked invalid, or a rate that is no whole multiple of ``fps``.
    """
    if path.is_dir():
        return _read_folder(path, fps, licence)
    if path.suffix != ".npz" or not path.is_file():
        raise InputError("no motions here", file=path, remedy="give a folder of .npy clips or one .npz file")
    return _read_npz(path, fps, licence)


def _read_folder(folder: Path, fps: float, licence: str) -> list[MotionClip]:
    files = sorted(file for file in folder.rglob("*.npy") if file.is_file())
    if not files:
        raise InputError("the folder holds no .npy files", file=folder, remedy="give the folder of the motion clips")
    step = _stride(NPY_FPS, fps, folder)
    clips = []
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        motion = _check_rows(_load(file), file, "array")[::step].astype(np.float32)
        _refuse_nonfinite(motion, None, file, name)
        clips.append(MotionClip(name, motion, fps, None, folder.name, licence))
    return clips


def _read_npz(file: Path, fps: float, licence: str) -> list[MotionClip]:
    fields = _load(file)
    for field in ("motion", "clip_start", "clip_name", "fps"):
        if field not in fields:
            raise InputError("a field is missing", file=file, field=field, remedy="see read_motions for the layout")
    motion = _check_rows(fields["motion"], file, "motion")
    names, starts = _check_index(fields, len(motion), file)
    valid = fields.get("valid")
    if valid is not None and (valid.dtype != np.bool_ or valid.shape != (len(motion),)):
        raise InputError(
            "valid must be one bool per row", file=file, field="valid", value=valid.shape, remedy="correct the field"
        )
    step = _stride(_scalar_fps(fields["fps"], file), fps, file)
    source, licence = str(fields.get("source", file.stem)), str(fields.get("licence", licence))
    clips = []
    for name, start, end in zip(names, starts[:-1], starts[1:], strict=True):
        rows = motion[start:end:step].astype(np.float32)
        marks = None if valid is None else valid[start:end:step].copy()
        _refuse_nonfinite(rows, marks, file, name)
        clips.append(MotionClip(name, rows, fps, marks, source, licence))
    return clips


def _load(file: Path) -> Any:
    """The array of an .npy, or the arrays of an .npz by name; nothing is ever unpickled."""
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {field: loaded[field] for field in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"cannot be read as plain arrays ({error})",
            file=file,
            remedy="save numeric arrays; object arrays and pickles are refused, truncated files must be copied again",
        ) from error


def _check_rows(rows: Any, file: Path, field: str) -> NDArray[np.floating]:
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != NUM_COLUMNS:
        raise InputError(
            f"motions have {NUM_COLUMNS} columns",
            file=file,
            field=field,
            value=getattr(rows, "shape", None),
            remedy=f"save Motion-X rows, shape (frames, {NUM_COLUMNS})",
        )
    if rows.dtype.kind != "f" or not len(rows):
        raise InputError(
            "motions are floating-point rows, at least one",
            file=file,
            field=field,
            value=f"{rows.dtype} {rows.shape}",
            remedy="save floating-point Motion-X rows",
        )
    return rows


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


def _scalar_fps(value: NDArray[Any], file: Path) -> float:
    if value.dtype.kind not in "iuf" or value.size != 1 or not np.isfinite(value).all() or value.item() <= 0:
        raise InputError(
            "fps must be one positive number",
            file=file,
            field="fps",
            value=value.tolist(),
            remedy="store the recording's frame rate",
        )
    return float(value.item())


def _stride(recorded_fps: float, fps: float, file: Path) -> int:
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


def _refuse_nonfinite(rows: NDArray[np.float32], valid: NDArray[np.bool_] | None, file: Path, name: str) -> None:
    """Frames that the file itself marks invalid may hold anything; elsewhere NaN means a broken recording."""
    bad = ~np.isfinite(rows).all(1)
    if valid is not None:
        bad &= valid
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {len(rows)} frames are not finite, the first is {int(bad.argmax())}",
            file=file,
            field="motion",
            value=name,
            remedy="repair or remove the clip, or mark those frames in a 'valid' field",
        )
