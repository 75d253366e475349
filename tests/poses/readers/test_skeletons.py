"""The skeletons of the field, written from a known motion and read back: every joint where it was, in millimetres."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.readers.joints.skeletons import load_skeletons
from drpose_ray.poses.readers.motions import gather_motions, read_motions
from drpose_ray.poses.validity import check_frames
from tests.poses.readers.skeleton_files import POORER, ROWS, SKELETONS, Written, write_skeleton

LIMBS = [JOINT[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "ankle", "hip")]


def errors_mm(file: Path, **reading: Any) -> np.ndarray:
    """(22,) the largest distance of each joint to where it was."""
    (clip,) = read_motions(file, trust_up_axis=True, **reading)
    assert len(clip.motion) == len(ROWS) and clip.valid is None
    apart: np.ndarray = np.linalg.norm(joints_from_rows(clip.motion) - joints_from_rows(ROWS), axis=-1)
    return 1000 * apart.max(0)


@pytest.mark.parametrize("kind", SKELETONS)
def test_skeletons_with_all_joints_are_read_to_a_tenth_of_a_millimetre(tmp_path: Path, kind: str) -> None:
    assert errors_mm(write_skeleton(tmp_path / "a.bvh", SKELETONS[kind])).max() < 0.1


@pytest.mark.parametrize("kind", SKELETONS)
def test_no_twist_is_left_that_joint_limits_refuse(tmp_path: Path, kind: str) -> None:
    (clip,) = read_motions(write_skeleton(tmp_path / "a.bvh", SKELETONS[kind]), trust_up_axis=True)
    assert check_frames(clip).refused["joint limit"] == 0


@pytest.mark.parametrize(("kind", "spine_mm"), [("Bandai-Namco", 20), ("one spine, no collars, no toes", 60)])
def test_missing_spines_are_bridged_and_legs_keep_their_place(tmp_path: Path, kind: str, spine_mm: float) -> None:
    errors = errors_mm(write_skeleton(tmp_path / "a.bvh", POORER[kind]))
    assert errors[LIMBS].max() < 0.1 and errors[0] < 0.1
    assert errors[JOINT["neck"]] < spine_mm


def test_case_and_separators_of_names_do_not_matter(tmp_path: Path) -> None:
    names = {joint: f"{name[:5].lower()}_{name[5:]}" for joint, name in SKELETONS["LAFAN1"].names.items()}
    assert errors_mm(write_skeleton(tmp_path / "a.bvh", Written(names))).max() < 0.1


def test_a_zero_pose_that_no_skeleton_of_the_names_has_is_refused(tmp_path: Path) -> None:
    names = SKELETONS["100STYLE"].names
    file = write_skeleton(tmp_path / "a.bvh", Written(names, frames=SKELETONS["LAFAN1"].frames))
    with pytest.raises(InputError, match="no person standing") as caught:
        read_motions(file)
    assert (caught.value.field, caught.value.value) == ("OFFSET", ["100STYLE, Xsens"])


MINE: dict[str, Any] = {
    "name": "Mine",
    "sides": ["links", "rechts"],
    "joints": {"pelvis": "Becken", "neck": "Hals", "shoulder": "Arm{side}", "elbow": ["Elle{side}"],
               "wrist": "Hand{side}", "hip": "Bein{side}", "knee": ["?", "Knie{side}"], "ankle": "Fuss{side}"},
}  # fmt: skip


def written_as_mine() -> Written:
    words = {"shoulder": "Arm", "elbow": "Elle", "wrist": "Hand", "hip": "Bein", "knee": "Knie", "ankle": "Fuss"}
    sided = {f"{side}_{joint}": word + suffix for joint, word in words.items()
             for side, suffix in (("left", "links"), ("right", "rechts"))}  # fmt: skip
    return Written({"pelvis": "Becken", "spine1": "A", "spine2": "B", "spine3": "C", "neck": "Hals", **sided})


def test_a_skeleton_of_ones_own_is_a_file_and_a_setting(tmp_path: Path) -> None:
    file, skeleton = write_skeleton(tmp_path / "a.bvh", written_as_mine()), tmp_path / "mine.json"
    with pytest.raises(InputError, match="joints are missing"):
        read_motions(file)
    skeleton.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINE).encode())
    settings = PosesConfig(motions=(file,), skeletons=(skeleton,), trust_up_axis=True)
    (clip,) = gather_motions(settings)
    apart = joints_from_rows(clip.motion) - joints_from_rows(ROWS)
    assert np.linalg.norm(apart[:, LIMBS], axis=-1).max() < 1e-4


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("sides.1", {"sides": ["links"]}),
        ("joints", {"joints": {"pelvis": "Becken"}}),
        ("joints", {"joints": {**MINE["joints"], "tail": "Schwanz"}}),
        ("joints.knee", {"joints": {**MINE["joints"], "knee": []}}),
        ("axes.leg.0", {"axes": {"leg": ["sideways", "up"]}}),
        ("axes", {"axes": {"leg": ["down", "up"]}}),
        ("colour", {"colour": "red"}),
    ],
)
def test_a_skeleton_file_that_does_not_fit_is_refused_by_field(
    tmp_path: Path, field: str, changes: dict[str, Any]
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(MINE | changes))
    with pytest.raises(InputError) as caught:
        load_skeletons([file])
    assert (caught.value.file, caught.value.field) == (file, field)


@pytest.mark.parametrize("content", ["", "[" * 100_000, "[]", "7"])
def test_what_is_no_skeleton_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(InputError) as caught:
        load_skeletons([tmp_path / "mine.json"])
    assert caught.value.file == tmp_path / "mine.json"


def test_packaged_skeletons_load() -> None:
    names = [skeleton.name for skeleton in load_skeletons()]
    assert {"LAFAN1", "Rokoko", "Bandai-Namco", "Daz"} <= set(names) and len(set(names)) == len(names)
