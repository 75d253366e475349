"""SMPL, BEAT2, GVHMR and WHAM: a known motion written in each layout and read back, in millimetres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, joints_from_rows
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.readers.smpl_rows import SMPL_PELVIS_AT_REST, Z_UP_TO_Y_UP

NUM = 16
ROWS = generate_dance(stream(0, "params"), NUM).motion
BODY = ROWS[:, motion_row.JOINT_ROTATIONS]
PELVIS = ROWS[:, motion_row.TRANSLATION] + PELVIS_AT_REST
HANDS_OF_SMPL = np.full((NUM, 6), 0.4, np.float32)
SHAPE = np.arange(10, dtype=np.float32)
SMPLX = {"global_orient": BODY[:, :3], "body_pose": BODY[:, 3:], "transl": PELVIS - PELVIS_AT_REST, "betas": SHAPE}
BEAT2 = {
    "poses": np.concatenate([BODY, np.zeros((NUM, 9)), np.full((NUM, 90), 0.1)], 1),
    "trans": PELVIS - PELVIS_AT_REST,
    "betas": np.arange(300.0),
    "expressions": np.zeros((NUM, 100)),
    "gender": np.array("neutral"),
    "model": np.array("smplx2020"),
    "mocap_frame_rate": np.array(30),
}
SMPL_TRANS = PELVIS - SMPL_PELVIS_AT_REST
SMPL72 = {"poses": np.concatenate([BODY, HANDS_OF_SMPL], 1), "trans": SMPL_TRANS, "betas": SHAPE}

NPZ = {
    "SMPL": SMPL72,
    "SMPL by joint": SMPL72 | {"poses": SMPL72["poses"].reshape(NUM, 24, 3)},
    "GVHMR": SMPLX,
    "GVHMR, shape of each frame": SMPLX | {"betas": np.tile(SHAPE, (NUM, 1))},
    "SMPL's own fields": {
        "global_orient": BODY[:, :3], "transl": SMPL_TRANS,
        "body_pose": np.concatenate([BODY[:, 3:], HANDS_OF_SMPL], 1),
    },
    "WHAM": {"poses_world": SMPL72["poses"], "trans_world": SMPL_TRANS, "betas": np.tile(SHAPE, (NUM, 1))},
    "WHAM, its pickle's names": {"pose_world": SMPL72["poses"], "trans_world": SMPL_TRANS},
    "BEAT2": BEAT2,
}  # fmt: skip


def errors_mm(file: Path, rows: np.ndarray = ROWS, **reading: Any) -> np.ndarray:
    (clip,) = read_motions(file, **reading)
    assert len(clip.motion) == len(rows)
    apart: np.ndarray = 1000 * np.linalg.norm(joints_from_rows(clip.motion) - joints_from_rows(rows), axis=-1)
    return apart


@pytest.mark.parametrize("layout", NPZ)
def test_layouts_are_read_to_a_hundredth_of_a_millimetre(tmp_path: Path, layout: str) -> None:
    np.savez(tmp_path / "a.npz", **NPZ[layout])
    assert errors_mm(tmp_path / "a.npz", trust_up_axis=True).max() < 0.01


def test_gvhmrs_results_are_read_from_its_own_file_and_its_working_files_are_not(tmp_path: Path) -> None:
    tensors = {name: torch.as_tensor(value) for name, value in SMPLX.items()} | {"betas": torch.zeros(NUM, 10)}
    results = {"smpl_params_global": tensors, "smpl_params_incam": {}, "K_fullimg": torch.eye(3).expand(NUM, 3, 3)}
    (tmp_path / "video/preprocess").mkdir(parents=True)
    torch.save(results, tmp_path / "video/hmr4d_results.pt")
    torch.save(torch.zeros(NUM, 3), tmp_path / "video/preprocess/bbx.pt")
    (clip,) = read_motions(tmp_path)
    assert (clip.name, clip.source, clip.licence) == ("video/hmr4d_results", f"SMPL-X ({tmp_path.name})", "unstated")
    assert errors_mm(tmp_path).max() < 0.01


def test_shape_is_kept_of_smplx_alone_and_smpls_hands_are_dropped(tmp_path: Path) -> None:
    for name, betas in (("GVHMR", SHAPE), ("WHAM", np.zeros(10)), ("SMPL", np.zeros(10)), ("BEAT2", np.arange(10.0))):
        np.savez(tmp_path / "a.npz", **NPZ[name])
        (clip,) = read_motions(tmp_path / "a.npz", licence="mine")
        np.testing.assert_array_equal(clip.motion[0, motion_row.BETAS], betas)
        assert clip.motion[:, motion_row.HAND_POSE].any() == (name == "BEAT2")
        assert clip.licence == "mine"


def test_beat2_is_not_recorded_as_amass(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **BEAT2)
    (clip,) = read_motions(tmp_path)
    assert (clip.source, clip.licence) == (f"SMPL-X ({tmp_path.name})", "unstated")


def test_poses_of_72_columns_alone_stand_where_they_rest(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SMPL72["poses"])
    (clip,) = read_motions(tmp_path)
    assert (clip.name, clip.source) == ("a", f"SMPL ({tmp_path.name})")
    there, back = joints_from_rows(clip.motion), joints_from_rows(ROWS)
    np.testing.assert_allclose(there - there[:, :1], back - back[:, :1], atol=1e-5)
    np.testing.assert_allclose(there[:, 0], np.tile(PELVIS_AT_REST, (NUM, 1)), atol=1e-6)


def test_the_rate_is_the_stated_one_or_the_setting(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **SMPLX)
    np.savez(tmp_path / "b.npz", **SMPLX, fps=np.array(60.0))
    assert [len(clip.motion) for clip in read_motions(tmp_path, unstated_fps=15)] == [2 * NUM - 1, NUM // 2]


def z_up(fields: dict[str, Any]) -> dict[str, Any]:
    """The same motion of GVHMR's layout in a world whose third axis is up."""
    turn = Z_UP_TO_Y_UP.T
    root = matrix_to_axis_angle(turn @ axis_angle_to_matrix(fields["global_orient"]))
    return fields | {"global_orient": root, "transl": PELVIS @ turn.T - PELVIS_AT_REST}


@pytest.mark.parametrize("beside", [True, False])
def test_a_rate_in_a_pt_file_is_a_number_or_a_tensor(tmp_path: Path, beside: bool) -> None:
    tensors = {name: torch.as_tensor(value) for name, value in SMPLX.items()}
    for rate in (60, 60.0, torch.tensor(60)):
        inner = tensors if beside and not isinstance(rate, torch.Tensor) else tensors | {"fps": rate}
        torch.save({"smpl_params_global": inner, "fps": 60 if inner is tensors else "unread"}, tmp_path / "a.pt")
        (clip,) = read_motions(tmp_path / "a.pt", trust_up_axis=True)
        assert len(clip.motion) == NUM // 2, rate


def test_the_up_axis_is_seen_or_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", **SMPLX)
    np.savez(tmp_path / "z.npz", **z_up(SMPLX))
    for name in ("y", "z"):
        assert errors_mm(tmp_path / f"{name}.npz").max() < 0.01
        assert errors_mm(tmp_path / f"{name}.npz", up_axis=name).max() < 0.01
    with pytest.raises(InputError, match="stand along") as caught:
        read_motions(tmp_path / "z.npz", up_axis="y")
    assert caught.value.field == "poses.trust_up_axis"


def test_cameras_axes_are_named_as_such(tmp_path: Path) -> None:
    upside_down = np.diag([1.0, -1.0, -1.0])
    root = matrix_to_axis_angle(upside_down @ axis_angle_to_matrix(BODY[:, :3]))
    np.savez(tmp_path / "a.npz", **SMPLX | {"global_orient": root})
    with pytest.raises(InputError, match="along -y") as caught:
        read_motions(tmp_path / "a.npz")
    assert "camera" in caught.value.remedy


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("transl", SMPLX | {"transl": PELVIS[:-1]}),
        ("trans", {name: value for name, value in SMPLX.items() if name != "transl"}),
        ("global_orient", {name: value for name, value in SMPLX.items() if name != "global_orient"}),
        ("global_orient", SMPLX | {"global_orient": BODY[:-1, :3]}),
        ("body_pose", SMPLX | {"body_pose": BODY[:, 3:60]}),
        ("body_pose", SMPLX | {"body_pose": np.zeros((NUM, 21, 3, 3))}),
        ("betas", SMPLX | {"betas": np.full(10, np.nan)}),
        ("betas", SMPLX | {"betas": np.zeros((NUM, 5))}),
        ("poses", {"poses_world": BODY, "trans_world": PELVIS}),
        ("trans", {"poses": SMPL72["poses"]}),
        ("fps", SMPLX | {"fps": np.array([30.0, 30.0])}),
    ],
)
def test_what_does_not_fit_is_refused_by_field(tmp_path: Path, field: str, fields: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **fields)
    with pytest.raises(InputError) as caught:
        read_motions(tmp_path / "a.npz")
    assert (caught.value.file, caught.value.field) == (tmp_path / "a.npz", field)


def test_frames_with_absurd_numbers_are_masked_and_none_of_them_becomes_a_pose(tmp_path: Path) -> None:
    fields = z_up(SMPLX) | {"body_pose": BODY[:, 3:].astype(np.float64).copy()}
    fields["global_orient"][2, 0], fields["transl"][5, 1], fields["body_pose"][7, 4] = 1e30, 1e5, 1e300
    np.savez(tmp_path / "a.npz", **fields)
    for up_axis in (None, "z"):
        (clip,) = read_motions(tmp_path / "a.npz", up_axis=up_axis)
        assert clip.valid is not None and np.flatnonzero(~clip.valid).tolist() == [2, 5, 7]
