"""BVH: what the hierarchy and channels say is what is read, and broken files are refused by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.readers.joints.bvh import load_bvh
from drpose_ray.poses.readers.motions import read_motions
from tests.poses.readers.bvh_files import CMU, draw_eulers, positions_by_scipy, write_bvh


def test_positions_are_those_of_the_hierarchy_and_each_joints_channel_order(tmp_path: Path) -> None:
    eulers, root = draw_eulers(20), np.random.default_rng(1).normal(0, 10, (20, 3))
    bvh = load_bvh(write_bvh(tmp_path / "a.bvh", eulers, root=root))
    assert bvh.names == list(CMU) and bvh.fps == 120
    expected = np.stack(list(positions_by_scipy(eulers, root).values()), 1)
    np.testing.assert_allclose(bvh.positions(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("HIERARCHY", "HIERARCHIE", "HIERARCHY"),
        ("JOINT LeftUpLeg", "LIMB LeftUpLeg", "HIERARCHY"),
        ("JOINT LeftUpLeg", "JOINT LeftLeg", "HIERARCHY"),
        ("OFFSET 0.000000000 0.000000000 0.000000000", "OFFSET 0.0 nan 0.0", "HIERARCHY"),
        ("OFFSET 0.000000000 0.000000000 0.000000000", "OFFSET 0.0 1e308 0.0", "HIERARCHY"),
        ("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation", "HIERARCHY"),
        ("CHANNELS 3 Zrotation", "CHANNELS 4 Zrotation", "HIERARCHY"),
        ("Frames: 8", "Frames: 9", "MOTION"),
        ("Frame Time: 0.0083333", "Frame Time: 0", "MOTION"),
        ("Frame Time: 0.0083333", "Frame Time: soon", "MOTION"),
        ("MOTION", "", "HIERARCHY"),
    ],
)
def test_malformed_files_are_refused_by_part(tmp_path: Path, old: str, new: str, field: str) -> None:
    file = write_bvh(tmp_path / "a.bvh", draw_eulers(8))
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_motions(file)
    assert (caught.value.file, caught.value.field) == (file, field)


@pytest.mark.parametrize("kept", [0.0, 0.2, 0.9])
def test_files_cut_short_and_binary_files_are_refused(tmp_path: Path, kept: float) -> None:
    file = write_bvh(tmp_path / "a.bvh", draw_eulers(8))
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError):
        read_motions(file)
    file.write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(InputError, match="text"):
        read_motions(file)


def test_a_rate_far_below_the_wanted_one_is_refused(tmp_path: Path) -> None:
    file = write_bvh(tmp_path / "a.bvh", draw_eulers(8), seconds="0.1")
    with pytest.raises(InputError, match="10 fps are too few for 30") as caught:
        read_motions(file)
    assert caught.value.field == "fps"
    assert len(read_motions(file, fps=5)[0].motion) == 4


def test_positions_of_any_joint_replace_its_offset(tmp_path: Path) -> None:
    file = tmp_path / "a.bvh"
    file.write_text(
        "HIERARCHY ROOT world { OFFSET 1 2 3 CHANNELS 1 Yrotation "
        "JOINT hips { OFFSET 0 5 0 CHANNELS 4 Xposition Yposition Zposition Zrotation "
        "JOINT knee { OFFSET 0 -4 0 CHANNELS 1 Yposition } } }\n"
        "MOTION\nFrames: 2\nFrame Time: 0.1\n0 10 20 30 0 -4\n90 10 20 30 90 -6\n"
    )
    bvh = load_bvh(file)
    np.testing.assert_allclose(
        bvh.positions(),
        [[[1, 2, 3], [11, 22, 33], [11, 18, 33]], [[1, 2, 3], [31, 22, -7], [31, 22, -13]]],
        atol=1e-9,
    )
    np.testing.assert_array_equal(bvh.rest_positions(), [[0, 0, 0], [0, 5, 0], [0, 1, 0]])


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_marks_line_ends_and_a_joint_called_motion_do_not_matter(tmp_path: Path, ending: str) -> None:
    file = write_bvh(tmp_path / "a.bvh", draw_eulers(8))
    before = load_bvh(file)
    text = file.read_text().replace("JOINT Head", "JOINT MOTION_Head").replace("\n", ending)
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    after = load_bvh(file)
    assert "MOTION_Head" in after.names
    np.testing.assert_array_equal(before.positions(), after.positions())
