"""AMASS archives and those like them: one ``.npz`` a sequence, ``poses`` of SMPL, SMPL-H or SMPL-X."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.geometry import motion_row
from drpose_ray.poses.clip import MotionClip, UpAxis, finite_frames
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST
from drpose_ray.poses.readers.arrays import Fields, check_columns, check_length, frame_rate
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.resample import plan_resampling
from drpose_ray.poses.readers.smpl_params import RATES, SMPL_COLUMNS
from drpose_ray.poses.readers.smpl_rows import SMPL_PELVIS_AT_REST, Z_UP_TO_Y_UP, rows_from_smpl

TERMS: Final = "AMASS licence: non-commercial research; each subset asks for its own citation"
_SMPLH, _SMPLX = 156, 165
_BODY_PARTS: Final = {"root_orient": 3, "pose_body": 63}
_OTHER_PARTS: Final = {"pose_hand": 90, "pose_jaw": 3}
_NOT_OF_AMASS: Final = "expressions"
"""BEAT2 has AMASS's other fields and this one. It is y up."""


def is_amass(fields: set[str]) -> bool:
    """Whether an ``.npz`` of these fields means to be one."""
    return bool(fields & {"poses", *_BODY_PARTS})


def is_amass_shape_file(file: Path) -> bool:
    """AMASS keeps each subject's shape, without motion, beside the sequences."""
    return file.name == "shape.npz" or file.stem.endswith("_stagei")


def read_amass(file: Path, name: str, folder_name: str, reading: Reading, stored: set[str]) -> MotionClip:
    """Read one sequence at the rate that is asked for; ``stored`` are the names of the archive's fields.

    Either ``poses`` (T, 156: SMPL-H, T, 165: SMPL-X, T, 72: SMPL) or ``root_orient`` (T, 3) and ``pose_body`` (T, 63),
    the rest of SMPL-X optional; ``trans`` (T, 3); the rate, which only SMPL's may lack; ``betas``. AMASS is z up, what
    has ``expressions`` (BEAT2) and SMPL's is taken for y up. Shape is kept from SMPL-X only: SMPL's and SMPL-H's betas
    mean other shapes. Eyes have no place in a Motion-X row.

    Raises InputError as ``read_motions`` does. Other fields are not looked at, so they may be object arrays.
    """
    fields = load_fields(file, ("poses", *_BODY_PARTS, *_OTHER_PARTS, "trans", "betas", *RATES))
    body, hands, jaw = _split_poses(fields, file)
    is_smpl = hands is None and jaw is None and "poses" in fields
    resampling = plan_resampling(_rate(fields, file, reading.unstated_fps if is_smpl else None), reading.fps, file)
    step = resampling.stride
    trans = check_columns(fields, "trans", (3,), file)
    check_length(fields, "trans", len(body), file)
    from_amass = not is_smpl and _NOT_OF_AMASS not in stored
    up: UpAxis = reading.up_axis or ("z" if from_amass else "y")
    is_smplx = jaw is not None
    rows = rows_from_smpl(
        body[::step],
        trans[::step],
        hands=None if hands is None else hands[::step],
        pelvis_at_rest=PELVIS_AT_REST if is_smplx else SMPL_PELVIS_AT_REST,
        world=Z_UP_TO_Y_UP if up == "z" else None,
    )
    if jaw is not None:
        rows[:, motion_row.JAW_POSE] = jaw[::step]
        rows[:, motion_row.BETAS] = _betas(fields, file)
    rows, valid = resampling.apply(rows, finite_frames(rows, file, "poses"))
    kind = "AMASS" if from_amass else "SMPL" if is_smpl else "SMPL-X"
    licence = reading.terms(TERMS) if from_amass else reading.licence
    taken = None if reading.up_axis else up
    return MotionClip(name, rows, reading.fps, valid, f"{kind} ({folder_name})", licence, taken)


def _rate(fields: Fields, file: Path, unstated: float | None) -> float:
    rate = next((field for field in RATES if field in fields), None)
    if rate is not None:
        return frame_rate(fields[rate], rate, file)
    if unstated is not None:
        return unstated
    raise InputError(
        "the recording's frame rate is missing",
        file=file,
        field=RATES[0],
        remedy="copy the sequence from AMASS again, or add the field",
    )


def _split_poses(
    fields: dict[str, NDArray[Any]], file: Path
) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
    """Body (T, 66), hands (T, 90) if there are any, and the jaw (T, 3) if the model is SMPL-X."""
    if "poses" in fields:
        poses = check_columns(fields, "poses", (SMPL_COLUMNS, _SMPLH, _SMPLX), file)
        hands = None if poses.shape[1] == SMPL_COLUMNS else poses[:, -90:]
        return poses[:, :66], hands, poses[:, 66:69] if poses.shape[1] == _SMPLX else None
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
