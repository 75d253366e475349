"""AIST++ exports: metres, thirty of sixty frames, and what is missing named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.geometry import motion_row
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, joints_from_rows
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.readers.smpl_rows import SMPL_PELVIS_AT_REST

NAME = "gBR_sBM_cAll_d04_mBR0_ch01"
ROWS = generate_dance(stream(3, "aistpp"), 12).motion


def sequence(**changes: Any) -> dict[str, Any]:
    """The dance as AIST++ stores one: 24 joints, translation in units of the scaling."""
    poses = np.concatenate([ROWS[:, motion_row.JOINT_ROTATIONS], np.full((12, 6), 0.3)], 1)
    trans = ROWS[:, motion_row.TRANSLATION] + PELVIS_AT_REST - SMPL_PELVIS_AT_REST
    fields = {"smpl_poses": poses, "smpl_trans": trans * 93.7, "smpl_scaling": np.array([93.7])} | changes
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("prefix", ["smpl_", ""])
def test_sequences_become_rows_in_metres_at_half_the_rate(tmp_path: Path, prefix: str) -> None:
    fields = {name.replace("smpl_", prefix): value for name, value in sequence().items()}
    np.savez(tmp_path / f"{NAME}.npz", **fields)
    (clip,) = read_motions(tmp_path)
    assert (clip.name, clip.source, clip.fps, clip.licence) == (NAME, "AIST++", 30, "AIST++ annotations: CC BY 4.0")
    np.testing.assert_allclose(joints_from_rows(clip.motion), joints_from_rows(ROWS[::2]), atol=1e-5)


def test_an_export_may_state_its_own_rate(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **sequence(fps=np.array(30)))
    assert len(read_motions(tmp_path / "a.npz", licence="mine")[0].motion) == 12


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("smpl_scaling", sequence(smpl_scaling=None)),
        ("scaling", sequence(smpl_scaling=np.array([0.0]))),
        ("poses", sequence(smpl_poses=np.zeros((12, 66)))),
        ("trans", sequence(smpl_trans=np.zeros((11, 3)))),
        ("trans", sequence(smpl_trans=None)),
        ("fps", sequence(fps=np.array(12))),
    ],
)
def test_what_does_not_fit_is_refused_by_field(tmp_path: Path, field: str, fields: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **fields)
    with pytest.raises(InputError) as caught:
        read_motions(tmp_path / "a.npz")
    assert caught.value.field == field


def test_nan_frames_are_masked(tmp_path: Path) -> None:
    fields = sequence()
    fields["smpl_poses"][0, 0] = np.nan
    np.savez(tmp_path / "a.npz", **fields)
    valid = read_motions(tmp_path / "a.npz")[0].valid
    assert valid is not None and np.flatnonzero(~valid).tolist() == [0]
