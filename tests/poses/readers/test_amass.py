"""AMASS: both models, both rate fields, z up to y up, and what does not fit refused by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, turn
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, joints_from_rows
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.readers.smpl_rows import SMPL_PELVIS_AT_REST

TO_Z_UP = turn(0, np.pi / 2)


def dance_rows(num: int = 16) -> np.ndarray:
    rows = generate_dance(stream(2, "amass"), num).motion.copy()
    rows[:, motion_row.HAND_POSE] = np.random.default_rng(0).normal(0, 0.1, (num, 90))
    return rows


def z_up(rows: np.ndarray, pelvis_at_rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Body (T, 66) and translation (T, 3) of the same motion in AMASS's world."""
    body = rows[:, motion_row.JOINT_ROTATIONS].astype(float)
    body[:, :3] = matrix_to_axis_angle(TO_Z_UP @ axis_angle_to_matrix(body[:, :3]))
    pelvis = rows[:, motion_row.TRANSLATION] + PELVIS_AT_REST
    return body, pelvis @ TO_Z_UP.T - pelvis_at_rest


def smplh(**changes: Any) -> dict[str, Any]:
    rows = dance_rows()
    body, trans = z_up(rows, SMPL_PELVIS_AT_REST)
    fields: dict[str, Any] = {
        "poses": np.concatenate([body, rows[:, motion_row.HAND_POSE]], 1),
        "trans": trans,
        "betas": np.ones(16),
        "mocap_framerate": np.float64(60),
        "gender": np.array({"never": "read"}, object),
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def smplx(**changes: Any) -> dict[str, Any]:
    rows = dance_rows()
    body, trans = z_up(rows, PELVIS_AT_REST)
    fields: dict[str, Any] = {
        "root_orient": body[:, :3],
        "pose_body": body[:, 3:],
        "pose_hand": rows[:, motion_row.HAND_POSE],
        "pose_jaw": np.full((len(rows), 3), 0.1),
        "trans": trans,
        "betas": np.arange(16.0),
        "mocap_frame_rate": np.array(30.0),
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def test_smplh_is_turned_to_y_up_thinned_and_keeps_pose_and_place(tmp_path: Path) -> None:
    (tmp_path / "CMU/01").mkdir(parents=True)
    np.savez(tmp_path / "CMU/01/01_01_poses.npz", **smplh())
    np.savez(tmp_path / "CMU/01/shape.npz", betas=np.ones(16))
    (clip,) = read_motions(tmp_path / "CMU")
    assert (clip.name, clip.source, clip.fps) == ("01/01_01_poses", "AMASS (CMU)", 30)
    assert "AMASS" in clip.licence and clip.valid is None
    expected = dance_rows()[::2]
    np.testing.assert_allclose(joints_from_rows(clip.motion), joints_from_rows(expected), atol=1e-5)
    np.testing.assert_allclose(clip.motion[:, motion_row.HAND_POSE], expected[:, motion_row.HAND_POSE], atol=1e-6)
    assert not clip.motion[:, motion_row.BETAS].any()  # SMPL-H's betas are other shapes


def test_smplx_fields_and_its_165_columns_agree_and_keep_jaw_and_shape(tmp_path: Path) -> None:
    fields = smplx()
    eyes = np.full((16, 6), 9.0)
    names = ("root_orient", "pose_body", "pose_jaw")
    poses = np.concatenate([*(fields[name] for name in names), eyes, fields["pose_hand"]], 1)
    np.savez(tmp_path / "parts.npz", **fields)
    np.savez(tmp_path / "whole.npz", poses=poses, **{name: fields[name] for name in ("trans", "betas")},
             mocap_framerate=np.array(30))  # fmt: skip
    parts, whole = (read_motions(tmp_path / name)[0].motion for name in ("parts.npz", "whole.npz"))
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_allclose(joints_from_rows(parts), joints_from_rows(dance_rows()), atol=1e-5)
    assert (parts[:, motion_row.JAW_POSE] == np.float32(0.1)).all()
    assert parts[0, motion_row.BETAS].tolist() == list(range(10))


def test_nan_frames_are_masked(tmp_path: Path) -> None:
    fields = smplh()
    fields["trans"][4, 1] = np.nan
    np.savez(tmp_path / "a.npz", **fields)
    valid = read_motions(tmp_path / "a.npz")[0].valid
    assert valid is not None and np.flatnonzero(~valid).tolist() == [2]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("mocap_framerate", smplh(mocap_framerate=None)),
        ("fps", smplh(mocap_framerate=np.float64(12))),
        ("mocap_framerate", smplh(mocap_framerate=np.array("fast"))),
        ("poses", smplh(poses=np.zeros((16, 66)))),
        ("poses", smplh(poses=np.zeros((0, 156)))),
        ("poses", smplh(poses=np.zeros((16, 156), int))),
        ("trans", smplh(trans=None)),
        ("trans", smplh(trans=np.zeros((15, 3)))),
        ("root_orient", smplx(root_orient=None)),
        ("pose_body", smplx(pose_body=np.zeros((16, 69)))),
        ("pose_hand", smplx(pose_hand=np.zeros((15, 90)))),
        ("betas", smplx(betas=np.zeros((16, 16)))),
    ],
)
def test_what_does_not_fit_is_refused_by_field(tmp_path: Path, field: str, fields: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **fields)
    with pytest.raises(InputError) as caught:
        read_motions(tmp_path / "a.npz")
    assert (caught.value.file, caught.value.field) == (tmp_path / "a.npz", field)


def test_object_arrays_where_numbers_are_needed_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **smplh(trans=np.array([{"x": 1}] * 16, object)))
    with pytest.raises(InputError, match="an array of objects"):
        read_motions(tmp_path / "a.npz")


def test_an_npz_of_no_known_layout_is_refused_with_its_fields(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints3d=np.zeros((3, 17, 3)))
    with pytest.raises(InputError, match="neither") as caught:
        read_motions(tmp_path / "a.npz")
    assert caught.value.value == ["keypoints3d"]


def y_up(**changes: Any) -> dict[str, Any]:
    """The same sequence as others write it: y up from the start."""
    rows = dance_rows()
    pelvis = rows[:, motion_row.TRANSLATION] + PELVIS_AT_REST
    poses = np.concatenate([rows[:, motion_row.JOINT_ROTATIONS], rows[:, motion_row.HAND_POSE]], 1)
    return smplh(poses=poses.astype(float), trans=pelvis - SMPL_PELVIS_AT_REST, **changes)


def test_what_is_y_up_already_is_seen_to_be_so_or_said_to_be(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **y_up())
    for up_axis in (None, "y"):
        (clip,) = read_motions(tmp_path / "a.npz", up_axis=up_axis)  # type: ignore[arg-type]
        np.testing.assert_allclose(joints_from_rows(clip.motion), joints_from_rows(dance_rows()[::2]), atol=1e-5)
    with pytest.raises(InputError, match="along -z"):
        read_motions(tmp_path / "a.npz", up_axis="z")


def test_files_of_both_kinds_in_one_folder_are_refused_and_not_averaged(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **smplh())
    np.savez(tmp_path / "b.npz", **y_up())
    with pytest.raises(InputError, match="1 have z up and 1 y up") as caught:
        read_motions(tmp_path)
    assert caught.value.field == "poses.up_axis"


def test_other_rates_are_interpolated(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **smplh(mocap_framerate=np.float64(100)))
    (clip,) = read_motions(tmp_path / "a.npz")
    assert clip.fps == 30 and len(clip.motion) == 5
