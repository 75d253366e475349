"""AMASS archives: one ``.npz`` a sequence, SMPL-H or SMPL-X parameters in a z-up world."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.arrays import load_fields
from drpose_ray.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.poses.clip import UNSTATED, MotionClip, finite_frames, whole_stride
from drpose_ray.poses.kinematics import PELVIS_AT_REST
from drpose_ray.poses.readers.arrays import check_columns, check_length, positive_number
from drpose_ray.poses.readers.smpl_rows import SMPL_PELVIS_AT_REST, Z_UP_TO_Y_UP, rows_from_smpl

TERMS: Final = "AMASS licence: non-commercial research; each subset asks for its own citation"
_SMPLH, _SMPLX = 156, 165
_RATES: Final = ("mocap_framerate", "mocap_frame_rate")
_BODY_PARTS: Final = {"root_orient": 3, "pose_body": 63}
_OTHER_PARTS: Final = {"pose_hand": 90, "pose_jaw": 3}


def is_amass(fields: set[str]) -> bool:
    """Whether an ``.npz`` of these fields means to be one."""
    return bool(fields & {"poses", *_BODY_PARTS})


def is_amass_shape_file(file: Path) -> bool:
    """AMASS keeps each subject's shape, without motion, beside the sequences."""
    return file.name == "shape.npz" or file.stem.endswith("_stagei")


def read_amass(file: Path, name: str, fps: float, licence: str, source: str) -> MotionClip:
    """Read one sequence, turned to y up and thinned to ``fps``.

    Either ``poses`` (T, 156: SMPL-H, T, 165: SMPL-X) or ``root_orient`` (T, 3) and ``pose_body`` (T, 63), the rest of
    SMPL-X optional; ``trans`` (T, 3); ``mocap_framerate`` or ``mocap_frame_rate``; ``betas``. Shape is kept from SMPL-X
    only: SMPL-H's betas mean other shapes. Eyes have no place in a Motion-X row.

    Raises InputError as ``read_motions`` does. Other fields are not looked at, so they may be object arrays.
    """
    fields = load_fields(file, ("poses", *_BODY_PARTS, *_OTHER_PARTS, "trans", "betas", *_RATES))
    rate = next((field for field in _RATES if field in fields), None)
    if rate is None:
        raise InputError(
            "the recording's frame rate is missing",
            file=file,
            field=_RATES[0],
            remedy="copy the sequence from AMASS again, or add the field",
        )
    step = whole_stride(positive_number(fields[rate], rate, file), fps, file)
    body, hands, jaw = _split_poses(fields, file)
    check_columns(fields, "trans", (3,), file)
    check_length(fields, "trans", len(body), file)
    is_smplx = jaw is not None
    rows = rows_from_smpl(
        body[::step],
        fields["trans"][::step],
        hands=None if hands is None else hands[::step],
        pelvis_at_rest=PELVIS_AT_REST if is_smplx else SMPL_PELVIS_AT_REST,
        world=Z_UP_TO_Y_UP,
    )
    if jaw is not None:
        rows[:, motion_row.JAW_POSE] = jaw[::step]
        rows[:, motion_row.BETAS] = _betas(fields, file)
    terms = TERMS if licence == UNSTATED else licence
    return MotionClip(name, rows, fps, finite_frames(rows, file, "poses"), source, terms)


def _split_poses(
    fields: dict[str, NDArray[Any]], file: Path
) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
    """Body (T, 66), hands (T, 90) if there are any, and the jaw (T, 3) if the model is SMPL-X."""
    if "poses" in fields:
        poses = check_columns(fields, "poses", (_SMPLH, _SMPLX), file)
        jaw = poses[:, 66:69] if poses.shape[1] == _SMPLX else None
        return poses[:, :66], poses[:, -90:], jaw
    parts = {field: check_columns(fields, field, (columns,), file) for field, columns in _BODY_PARTS.items()}
    parts |= {
        field: check_columns(fields, field, (columns,), file)
        for field, columns in _OTHER_PARTS.items()
        if field in fields
    }
    for field in parts:
        check_length(parts, field, len(parts["root_orient"]), file)
    body = np.concatenate([parts["root_orient"], parts["pose_body"]], 1)
    return body, parts.get("pose_hand"), parts.get("pose_jaw")


def _betas(fields: dict[str, NDArray[Any]], file: Path) -> NDArray[Any]:
    """The first ten of SMPL-X's betas, zero if there are none."""
    betas = fields.get("betas", np.zeros(10))
    if betas.ndim != 1 or betas.dtype.kind != "f" or len(betas) < 10:
        raise InputError(
            "betas must be at least ten numbers, one set for the sequence",
            file=file,
            field="betas",
            value=f"{betas.dtype} {betas.shape}",
            remedy="copy the sequence from AMASS again",
        )
    return betas[:10]
