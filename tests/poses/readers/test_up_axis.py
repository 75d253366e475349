"""People of a source who agree on another upright than +y are flagged; one who lies among others is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, turn
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.procedural.dance import generate_dances
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.readers.up_axis import check_up_axis


def _turned(clip: MotionClip, rotation: np.ndarray) -> MotionClip:
    motion = clip.motion.copy()
    root = motion[:, motion_row.ROOT_ORIENT]
    motion[:, motion_row.ROOT_ORIENT] = matrix_to_axis_angle(rotation @ axis_angle_to_matrix(root))
    return replace(clip, motion=motion)


CLIPS = generate_dances(4, 6, 120)


@pytest.mark.parametrize(
    ("rotation", "axis"), [(turn(0, np.pi / 2), r"\+z"), (turn(0, -np.pi / 2), "-z"), (turn(2, np.pi), "-y")]
)
def test_z_up_twice_turned_and_upside_down_sources_are_named(rotation: np.ndarray, axis: str) -> None:
    with pytest.raises(InputError, match=f"stand along {axis}") as caught:
        check_up_axis([_turned(clip, rotation) for clip in CLIPS], Path("x"))
    assert caught.value.value == CLIPS[0].source


def test_one_lying_clip_of_a_source_and_nan_frames_pass() -> None:
    lying = _turned(CLIPS[0], turn(0, np.pi / 2))
    lying.motion[:3] = np.nan
    check_up_axis([lying, *CLIPS[1:]], Path("x"))


def test_sources_are_judged_apart_and_may_be_trusted(tmp_path: Path) -> None:
    for i, clip in enumerate(CLIPS[:2]):
        np.save(tmp_path / f"{i}.npy", _turned(clip, turn(0, np.pi / 2)).motion)
    with pytest.raises(InputError, match=r"poses\.trust_up_axis"):
        read_motions(tmp_path)
    assert len(read_motions(tmp_path, trust_up_axis=True)) == 2
    with pytest.raises(InputError, match="tilted"):
        check_up_axis([*CLIPS, *(replace(_turned(c, turn(0, 1.5)), source="tilted") for c in CLIPS)], Path("x"))
