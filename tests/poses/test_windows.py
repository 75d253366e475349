"""Windows hold their pick, stay inside the clip, avoid unusable frames, and have ids fit for file names."""

from __future__ import annotations

import re

import numpy as np
import pytest

from drpose_ray.poses.readers.motions import MotionClip
from drpose_ray.poses.windows import PoseWindow, name_sequence, placeable_frames, window_around


def _clip(num: int = 40) -> MotionClip:
    motion = np.zeros((num, 322), np.float32)
    motion[:, 0] = np.arange(num)
    return MotionClip("sub.set/clip 1", motion, 30, None, "test", "mine")


def _window(pick: int, usable: np.ndarray) -> PoseWindow | None:
    return window_around(_clip(len(usable)), pick, usable, 10, rank=4)


@pytest.mark.parametrize(("pick", "first"), [(0, 0), (3, 0), (20, 15), (38, 30), (39, 30)])
def test_window_is_centred_and_shifted_inside_the_clip(pick: int, first: int) -> None:
    window = _window(pick, np.ones(40, bool))
    assert window is not None
    assert window.frames.tolist() == list(range(first, first + 10))
    assert window.motion[:, 0].tolist() == window.frames.tolist()
    assert (window.pick, window.rank, window.licence) == (pick, 4, "mine")


def test_window_moves_off_unusable_frames() -> None:
    usable = np.ones(40, bool)
    usable[22] = False
    window = _window(20, usable)
    assert window is not None and window.frames.tolist() == list(range(12, 22))
    usable[11] = False
    window = _window(20, usable)
    assert window is not None and window.frames.tolist() == list(range(12, 22))
    usable[12] = False
    assert _window(20, usable) is None


def test_window_longer_than_the_clip_has_no_place() -> None:
    assert _window(3, np.ones(9, bool)) is None
    assert not placeable_frames(np.ones(9, bool), 10).any()
    assert placeable_frames(np.ones(10, bool), 10).all()


def test_placeable_frames_are_those_with_a_window() -> None:
    usable = np.random.default_rng(0).random(300) > 0.06
    expected = [_window(pick, usable) is not None for pick in range(300)]
    assert placeable_frames(usable, 10).tolist() == expected


def test_sequence_ids_have_no_dots_and_keep_clips_apart() -> None:
    ids = {name_sequence(name, 12) for name in ("a.b/c", "a-b/c", "a-b-c", "a b c")}
    assert len(ids) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+-000012", name) for name in ids)
    assert name_sequence("a.b/c", 12) == name_sequence("a.b/c", 12)
