"""Motion-X as released: a folder tree of ``.npy`` files, one clip each (docs/facts/mimo.md, 5.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_array
from drpose_ray.core.files.reading import list_files, list_folders
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.poses.clip import MotionClip, finite_frames
from drpose_ray.poses.readers.aist.translation import in_metres, is_aist, is_marked_converted
from drpose_ray.poses.readers.arrays import check_num_frames
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.resample import plan_resampling
from drpose_ray.poses.readers.smpl_params import SMPL_COLUMNS, read_smpl_array

NPY_FPS: Final = 30.0
"""Frame rate of Motion-X's own .npy files, which do not store one."""
TERMS: Final = "Motion-X licence (IDEA): non-commercial research, no sublicensing; each subset keeps its own terms"
_ROOT: Final = "smplx_322"
_FACES: Final = "face_motion_data"
"""The release's folder of expressions, which are no motion of a body; it holds a ``smplx_322`` too."""


def read_motionx_tree(folder: Path, reading: Reading) -> list[MotionClip]:
    """Read every ``.npy`` at or below ``folder``, in the order of their names.

    In a released tree (``motion_data/smplx_322/<subset>/...``) names count from ``smplx_322``, as in Motion-X's split
    lists, wherever in the tree ``folder`` is; elsewhere from ``folder``. Frames with NaN are marked invalid. Rows of 72
    columns are SMPL's (`smpl_params`).

    Raises InputError as ``read_motions`` does.
    """
    files = motionx_files(folder)
    roots = sorted({root for _, root in files})
    clips: list[MotionClip] = []
    for root in roots:
        read = [_read(file, root, reading) for file, its_root in files if its_root == root]
        marked = is_marked_converted(folder, root)
        clips += in_metres(read, reading.aist_translation, folder, marked=marked)
    _refuse_two_releases(clips, roots)
    return clips


def _read(file: Path, root: Path, reading: Reading) -> MotionClip:
    relative = file.relative_to(root)
    name = relative.with_suffix("").as_posix()
    array = load_array(file)
    if array.ndim == 2 and array.shape[1] == SMPL_COLUMNS:
        return read_smpl_array(array, file, name, root.name, reading)
    check_num_frames(len(check_rows(array, file, "array")), "array", file)
    subset = _subset(root, relative)
    source = root.name if subset is None else f"Motion-X {subset}"
    terms = reading.licence if subset is None else reading.terms(TERMS)
    resampling = plan_resampling(NPY_FPS, reading.fps, file)
    with np.errstate(over="ignore"):
        motion = array[:: resampling.stride].astype(np.float32)
    motion, valid = resampling.apply(motion, finite_frames(motion, file, "array"))
    return MotionClip(name, motion, reading.fps, valid, source, terms)


def _subset(root: Path, relative: Path) -> str | None:
    """The subset of Motion-X that a clip belongs to, None if its folders do not say."""
    if is_aist(root.name, relative):
        return "aist"
    return relative.parts[0] if root.name == _ROOT and len(relative.parts) > 1 else None


def motionx_files(folder: Path) -> list[tuple[Path, Path]]:
    """The ``.npy`` clips at or below ``folder``, sorted by name, each with the folder that its name counts from.

    Where there are folders ``smplx_322`` below ``folder``, those are read, and ``face_motion_data`` is left out.

    Raises:
        InputError: ``folder`` is one of faces, or there are clips beside the ``smplx_322``.
    """
    start = folder.absolute()
    if _FACES in start.parts:
        raise InputError(
            f"{_FACES} holds expressions, no motions", file=folder, remedy=f"give the folder motion_data/{_ROOT}"
        )
    if start.is_file():
        return [(start, _root_above(start.parent))]
    roots = [path for path in list_folders(start, lambda path: path.name == _ROOT) if not _is_of_faces(path, start)]
    outermost = [root for root in roots if not any(root.is_relative_to(other) for other in roots if other != root)]
    files = [file for file in list_files(start, (".npy",)) if not _is_of_faces(file, start)]
    if not outermost:
        return [(file, _root_above(start)) for file in files]
    found = [(file, root) for root in outermost for file in files if file.is_relative_to(root)]
    beside = sorted(set(files) - {file for file, _ in found})
    if beside:
        raise InputError(
            f"{len(beside)} .npy files lie beside {_ROOT}, where Motion-X keeps its motions", file=beside[0],
            field="poses.motions", remedy=f"give the folder {_ROOT} and theirs each on its own, or move them away",
        )  # fmt: skip
    return found


def _root_above(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.name == _ROOT), folder)


def _is_of_faces(path: Path, start: Path) -> bool:
    return _FACES in path.relative_to(start).parts


def _refuse_two_releases(clips: Sequence[MotionClip], roots: Sequence[Path]) -> None:
    """Two releases may lie side by side as long as no clip is in both."""
    twice = [name for name, number in Counter(clip.name for clip in clips).items() if number > 1]
    if twice:
        raise InputError(
            f"{len(twice)} clips are in two releases of Motion-X", file=roots[0], field="poses.motions",
            value=f"{twice[0]}, also below {roots[1]}", remedy="give one of the releases",
        )  # fmt: skip


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
