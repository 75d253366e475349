"""SMPL and SMPL-X parameters as programs leave them that see people in videos, and as SMPL's own 72 columns."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.poses.clip import MotionClip, UpAxis, finite_frames
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST
from drpose_ray.poses.readers.arrays import Fields, check_columns, check_length, frame_rate
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.resample import plan_resampling
from drpose_ray.poses.readers.smpl_rows import SMPL_PELVIS_AT_REST, Z_UP_TO_Y_UP, rows_from_smpl

SMPL_COLUMNS: Final = 72
"""Root and 23 joints x 3; the last two joints, the hands, have no place among SMPL-X's."""
SMPLX_BODY, SMPL_BODY = 63, 69
RATES: Final = ("mocap_framerate", "mocap_frame_rate", "fps")
_WORLD: Final = {"poses_world": "poses", "pose_world": "poses", "trans_world": "trans"}
NAMES: Final = ("body_pose", "global_orient", "transl", "trans", "betas", *_WORLD, *RATES)


def is_smpl_params(fields: set[str]) -> bool:
    """Whether fields of these names mean to be GVHMR's (``body_pose``, ...) or WHAM's (``poses_world``, ...)."""
    return bool(fields & {"body_pose", "global_orient", "poses_world", "pose_world"})


def read_smpl_params(fields: Fields, file: Path, name: str, folder_name: str, reading: Reading) -> MotionClip:
    """One person's motion from arrays of these names.

    GVHMR: ``global_orient`` (T, 3), ``body_pose`` (T, 63: SMPL-X) or (T, 69: SMPL), ``transl`` (T, 3), ``betas``.
    WHAM: ``poses_world`` or ``pose_world`` (T, 72: SMPL), ``trans_world`` (T, 3). A rate where there is one, else
    ``reading.unstated_fps``. SMPL-X's shape is kept, the mean where it changes; SMPL's is another and is not.

    Raises InputError as ``read_motions`` does.
    """
    fields = {_WORLD.get(field, field): value for field, value in fields.items()}
    translation = "transl" if "transl" in fields else "trans"
    if "poses" in fields:
        body, is_smplx = check_columns(fields, "poses", (SMPL_COLUMNS,), file), False
    else:
        joints = check_columns(fields, "body_pose", (SMPLX_BODY, SMPL_BODY), file)
        root = check_columns(fields, "global_orient", (3,), file)
        check_length(fields, "global_orient", len(joints), file)
        body, is_smplx = np.concatenate([root, joints], 1), joints.shape[1] == SMPLX_BODY
    places = check_columns(fields, translation, (3,), file)
    check_length(fields, translation, len(body), file)
    rate = next((field for field in RATES if field in fields), None)
    recorded = reading.unstated_fps if rate is None else frame_rate(fields[rate], rate, file)
    clip = _make_clip(body, places, recorded, file, name, folder_name, reading, is_smplx=is_smplx)
    if is_smplx and "betas" in fields:
        clip.motion[:, motion_row.BETAS] = _mean_betas(fields, file)
    return clip


def read_smpl_array(
    poses: NDArray[np.floating], file: Path, name: str, folder_name: str, reading: Reading
) -> MotionClip:
    """Poses (T, 72) alone, as from an ``.npy``: they say nothing of place, so the pelvis stays where it is at rest."""
    body = check_columns({"array": poses}, "array", (SMPL_COLUMNS,), file)
    places = np.broadcast_to(PELVIS_AT_REST - SMPL_PELVIS_AT_REST, (len(body), 3))
    return _make_clip(body, places, reading.unstated_fps, file, name, folder_name, reading, is_smplx=False)


def _make_clip(
    body: NDArray[np.floating],
    places: NDArray[np.floating],
    recorded_fps: float,
    file: Path,
    name: str,
    folder_name: str,
    reading: Reading,
    *,
    is_smplx: bool,
) -> MotionClip:
    resampling = plan_resampling(recorded_fps, reading.fps, file)
    rows = rows_from_smpl(
        body[:: resampling.stride, :66],
        places[:: resampling.stride],
        pelvis_at_rest=PELVIS_AT_REST if is_smplx else SMPL_PELVIS_AT_REST,
        world=Z_UP_TO_Y_UP if reading.up_axis == "z" else None,
    )
    rows, valid = resampling.apply(rows, finite_frames(rows, file, "poses"))
    source = f"{'SMPL-X' if is_smplx else 'SMPL'} ({folder_name})"
    taken: UpAxis | None = None if reading.up_axis else "y"
    return MotionClip(name, rows, reading.fps, valid, source, reading.licence, taken)


def _mean_betas(fields: Fields, file: Path) -> NDArray[np.floating]:
    """The first ten of SMPL-X's betas, of a clip or of each frame."""
    betas = fields["betas"]
    if betas.dtype.kind != "f" or betas.ndim not in (1, 2) or betas.shape[-1] < 10 or not np.isfinite(betas).all():
        raise InputError(
            "betas must be at least ten finite numbers, of the clip or of each frame", file=file, field="betas",
            value=f"{betas.dtype} {betas.shape}", remedy="export the sequence again",
        )  # fmt: skip
    mean: NDArray[np.floating] = np.atleast_2d(betas).mean(0)[:10]
    return mean
