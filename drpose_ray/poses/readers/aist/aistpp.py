"""AIST++ motions: one ``.npz`` a sequence, SMPL parameters at 60 fps.

AIST++ publishes pickles, which are never opened here. Where you trust them, write each as plain arrays once:
``np.savez(name, **{k: np.asarray(v, float) for k, v in sequence.items()})``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.poses.clip import MotionClip, finite_frames
from drpose_ray.poses.readers.arrays import check_columns, check_length, frame_rate, positive_number
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.resample import plan_resampling
from drpose_ray.poses.readers.smpl_rows import rows_from_smpl

AISTPP_FPS: Final = 60.0
"""Rate of the published motions, which do not store one; an ``fps`` field in the export wins."""
TERMS: Final = "AIST++ annotations: CC BY 4.0"
_SCALED: Final = {"smpl_poses", "smpl_scaling", "scaling"}


def is_aistpp(fields: set[str]) -> bool:
    """Whether an ``.npz`` of these fields means to be one: nothing else divides a translation by a scaling."""
    return bool(fields & _SCALED)


def read_aistpp(file: Path, name: str, reading: Reading) -> MotionClip:
    """Read ``poses`` (T, 72), ``trans`` (T, 3) and ``scaling``, with or without the published prefix ``smpl_``.

    Metres are ``trans / scaling``. The two hand joints of SMPL are dropped; betas, where given, are SMPL's and too.

    Raises InputError as ``read_motions`` does.
    """
    names = ("poses", "trans", "scaling")
    stored = load_fields(file, (*names, *(f"smpl_{field}" for field in names), "fps"))
    fields: dict[str, NDArray[Any]] = {field.removeprefix("smpl_"): value for field, value in stored.items()}
    if "scaling" not in fields:
        raise InputError(
            "the scaling that turns the translation into metres is missing",
            file=file,
            field="smpl_scaling",
            remedy="export it with the sequence",
        )
    recorded = frame_rate(fields["fps"], "fps", file) if "fps" in fields else AISTPP_FPS
    resampling = plan_resampling(recorded, reading.fps, file)
    step = resampling.stride
    poses = check_columns(fields, "poses", (72,), file)
    trans = check_columns(fields, "trans", (3,), file)
    check_length(fields, "trans", len(poses), file)
    scaling = positive_number(fields["scaling"], "scaling", file)
    rows = rows_from_smpl(poses[::step, :66], trans[::step] / scaling)
    rows, valid = resampling.apply(rows, finite_frames(rows, file, "poses"))
    return MotionClip(name, rows, reading.fps, valid, "AIST++", reading.terms(TERMS))
