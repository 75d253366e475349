"""Motion-X as released: a folder tree of ``.npy`` files, one clip each (mimo facts, 5.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.arrays import load_array
from drpose_ray.errors import InputError
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.poses.clip import UNSTATED, MotionClip, finite_frames, whole_stride
from drpose_ray.poses.readers.aist_translation import AistTranslation, in_metres, is_aist, is_marked_converted

NPY_FPS: Final = 30.0
"""Frame rate of Motion-X's own .npy files, which do not store one."""
TERMS: Final = "Motion-X licence (IDEA): non-commercial research, no sublicensing; each subset keeps its own terms"
_ROOT: Final = "smplx_322"


def read_motionx_tree(folder: Path, fps: float, licence: str, aist_translation: AistTranslation) -> list[MotionClip]:
    """Read every ``.npy`` (T, 322) below ``folder``, in the order of their names.

    In a released tree (``motion_data/smplx_322/<subset>/...``) names count from ``smplx_322``, as in Motion-X's split
    lists, wherever in the tree ``folder`` is; elsewhere from ``folder``. Frames with NaN are marked invalid.

    Raises InputError as ``read_motions`` does.
    """
    files, root = motionx_files(folder)
    step = whole_stride(NPY_FPS, fps, folder)
    clips = []
    for file in files:
        relative = file.relative_to(root)
        subset = _subset(root, relative)
        source = root.name if subset is None else f"Motion-X {subset}"
        terms = TERMS if licence == UNSTATED and subset is not None else licence
        motion = check_rows(load_array(file), file, "array")[::step].astype(np.float32)
        name = relative.with_suffix("").as_posix()
        clips.append(MotionClip(name, motion, fps, finite_frames(motion, file, "array"), source, terms))
    return in_metres(clips, aist_translation, folder, marked=is_marked_converted(folder, root))


def _subset(root: Path, relative: Path) -> str | None:
    """The subset of Motion-X that a clip belongs to, None if its folders do not say."""
    if is_aist(root.name, relative):
        return "aist"
    return relative.parts[0] if root.name == _ROOT and len(relative.parts) > 1 else None


def motionx_files(folder: Path) -> tuple[list[Path], Path]:
    """The ``.npy`` clips below ``folder``, sorted by name, and the folder that their names count from.

    A release also has ``face_motion_data``, whose arrays are no clips: where there is a ``smplx_322`` below ``folder``,
    only that is read.
    """
    inner = sorted(path for path in folder.absolute().rglob(_ROOT) if path.is_dir())
    if inner:
        start = root = inner[0]
    else:
        start = folder.absolute()
        root = next((path for path in (start, *start.parents) if path.name == _ROOT), start)
    files = sorted(file for file in start.rglob("*") if file.suffix.lower() == ".npy" and file.is_file())
    return files, root


def check_rows(rows: Any, file: Path, field: str) -> NDArray[np.floating]:
    """Rows (T, 322) of floating point, at least one; InputError otherwise."""
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
