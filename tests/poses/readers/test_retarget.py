"""Retargeting keeps what the BVH's forward kinematics shows: limbs point where they did, hips face where they did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.geometry.rotations import turn
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.readers.joints.bvh import load_bvh
from drpose_ray.poses.readers.joints.retarget import rows_from_bvh
from drpose_ray.poses.readers.motions import read_motions
from tests.poses.readers.bvh_files import CMU, DAZ, draw_eulers, write_bvh

_BONES = {
    ("left_shoulder", "left_elbow"): ("LeftArm", "LeftForeArm"),
    ("right_elbow", "right_wrist"): ("RightForeArm", "RightHand"),
    ("left_hip", "left_knee"): ("LeftUpLeg", "LeftLeg"),
    ("right_knee", "right_ankle"): ("RightLeg", "RightFoot"),
}
_UPRIGHT = np.eye(3)


def _directions(joints: np.ndarray, start: int, end: int) -> np.ndarray:
    bones = joints[:, end] - joints[:, start]
    return bones / np.linalg.norm(bones, axis=1, keepdims=True)


@pytest.mark.parametrize("turn_rest", [_UPRIGHT, turn(1, 2.0), turn(0, 1.2)], ids=["+z", "turned", "tilted"])
def test_limbs_point_where_the_bvhs_do_whatever_its_rest_pose_faces(tmp_path: Path, turn_rest: np.ndarray) -> None:
    eulers = draw_eulers(60)
    eulers[:, [i for i, name in enumerate(CMU) if "HipJoint" in name]] = 0  # CMU's hips are part of the pelvis
    file = write_bvh(tmp_path / "a.bvh", eulers, turn_rest=turn_rest)
    bvh = load_bvh(file)
    joints, theirs = joints_from_rows(rows_from_bvh(bvh, file)), bvh.positions()
    for (start, end), (one, other) in _BONES.items():
        expected = _directions(theirs, bvh.names.index(one), bvh.names.index(other))
        np.testing.assert_allclose(_directions(joints, JOINT[start], JOINT[end]), expected, atol=1e-5)
    hips = _directions(theirs, bvh.names.index("RightUpLeg"), bvh.names.index("LeftUpLeg"))
    assert (np.sum(_directions(joints, JOINT["right_hip"], JOINT["left_hip"]) * hips, 1) > 0.99).all()
    # Three spine bones against two, each turned by up to 30 degrees: alike, not equal.
    trunk = _directions(theirs, bvh.names.index("Hips"), bvh.names.index("Neck1"))
    assert (np.sum(_directions(joints, JOINT["pelvis"], JOINT["neck"]) * trunk, 1) > 0.87).all()


def test_a_t_pose_stands_upright_with_legs_as_spread_as_the_bvhs(tmp_path: Path) -> None:
    file = write_bvh(tmp_path / "a.bvh", np.zeros((2, len(CMU), 3)))
    joints = joints_from_rows(rows_from_bvh(load_bvh(file), file))
    across = joints[0, JOINT["left_ankle"]] - joints[0, JOINT["right_ankle"]]
    assert across[0] > 0.5 and abs(across[2]) < 0.05
    assert joints[0, JOINT["left_foot"], 2] > joints[0, JOINT["left_ankle"], 2] + 0.1


def test_daz_names_without_spine2_and_toes_give_the_same_limbs(tmp_path: Path) -> None:
    # The Daz hierarchy here is the CMU one renamed, so only what it lacks may differ.
    eulers = draw_eulers(30)
    kept = [i for i, name in enumerate(CMU) if "Toe" not in name]
    cmu = write_bvh(tmp_path / "cmu.bvh", eulers)
    daz = write_bvh(tmp_path / "daz.bvh", eulers[:, kept], DAZ)
    one, other = (rows_from_bvh(load_bvh(file), file) for file in (cmu, daz))
    for joint in ("left_hip", "right_knee", "left_elbow", "right_shoulder", "head", "pelvis", "left_ankle"):
        columns = slice(3 * JOINT[joint], 3 * JOINT[joint] + 3)
        np.testing.assert_allclose(one[:, columns], other[:, columns], atol=1e-5)
    assert np.abs(other[:, 30:36]).max() == 0  # toes follow the ankle


def test_the_path_is_in_metres_whatever_the_unit(tmp_path: Path) -> None:
    root = np.array([[0, 17, 0], [17, 17, 0]], float)
    file = write_bvh(tmp_path / "a.bvh", np.zeros((2, len(CMU), 3)), root=root)
    pelvis = joints_from_rows(rows_from_bvh(load_bvh(file), file))[:, 0]
    leg = 0.5 * sum(np.linalg.norm(CMU[name][1]) for name in ("LeftLeg", "LeftFoot", "RightLeg", "RightFoot"))
    np.testing.assert_allclose(pelvis, root * 0.786 / leg, rtol=0.01, atol=1e-6)


def test_reference_frame_is_left_out_frames_are_thinned_and_nan_frames_masked(tmp_path: Path) -> None:
    eulers = draw_eulers(41)
    eulers[0] = 0
    eulers[9] = np.nan
    (clip,) = read_motions(write_bvh(tmp_path / "set.1/walk.v2.bvh", eulers).parent, licence="CMU")
    assert (clip.name, clip.fps, len(clip.motion), clip.licence) == ("walk.v2", 30, 10, "CMU")
    assert clip.source == "BVH (set.1)"
    assert clip.valid is not None and clip.valid.tolist() == [True, True, False, *[True] * 7]
    expected = rows_from_bvh(load_bvh(tmp_path / "set.1/walk.v2.bvh"), tmp_path)
    np.testing.assert_array_equal(clip.motion, expected[1::4])


def test_unknown_names_are_listed(tmp_path: Path) -> None:
    file = write_bvh(tmp_path / "a.bvh", draw_eulers(4))
    file.write_text(file.read_text().replace("JOINT LeftHand", "JOINT LeftPalm"))
    with pytest.raises(InputError, match="scheme is CMU") as caught:
        read_motions(file)
    assert caught.value.value == ["LeftHand"]


def test_the_path_of_a_joint_below_a_still_reference_is_kept(tmp_path: Path) -> None:
    root = np.linspace((10, 92, 0), (65, 92, -33), 12)
    file = write_bvh(tmp_path / "a.bvh", np.zeros((12, len(CMU), 3)), root=root)
    expected = joints_from_rows(rows_from_bvh(load_bvh(file), file))[:, 0]
    text = file.read_text().replace("ROOT Hips", "ROOT reference\n{\nOFFSET 0 0 0\nCHANNELS 0\nJOINT Hips")
    file.write_text(text.replace("MOTION", "}\nMOTION"))
    (clip,) = read_motions(file, fps=120)
    np.testing.assert_allclose(joints_from_rows(clip.motion)[:, 0], expected, atol=1e-6)
    assert np.ptp(expected[:, 0]) > 1


def test_a_clip_that_stands_still_at_rest_keeps_its_first_frame(tmp_path: Path) -> None:
    (clip,) = read_motions(write_bvh(tmp_path / "a.bvh", np.zeros((8, len(CMU), 3))), fps=120)
    assert len(clip.motion) == 8
