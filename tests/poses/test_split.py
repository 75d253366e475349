"""Splits by recording."""

from __future__ import annotations

import numpy as np
import pytest

from drpose_ray.errors import InputError
from drpose_ray.poses.motionx import MotionClip
from drpose_ray.poses.split import recording, split_clips

SHARES = {"train": 1.0, "val": 0.15, "test": 0.2}


def clip(name: str, source: str = "made") -> MotionClip:
    return MotionClip(name, np.zeros((1, 322), np.float32), 30.0, None, source, "CC0-1.0")


MANY = [clip(f"dance_{move:03d}_clip_{take}") for move in range(200) for take in (1, 2)]


def test_takes_of_one_recording_never_meet_in_two_splits() -> None:
    dealt = split_clips(MANY, SHARES)
    recordings = [{recording(c.name) for c in dealt[split]} for split in SHARES]
    assert not (recordings[0] & recordings[1] or recordings[0] & recordings[2] or recordings[1] & recordings[2])
    assert sum(map(len, dealt.values())) == len(MANY)


def test_shares_are_about_what_was_asked() -> None:
    dealt = split_clips(MANY, SHARES)
    assert 0.08 < len(dealt["val"]) / len(MANY) < 0.22
    assert 0.13 < len(dealt["test"]) / len(MANY) < 0.27


def test_a_recordings_split_does_not_depend_on_the_clips_or_file_beside_it() -> None:
    """Else a reward trained from one file could have seen the test poses of a run on another."""
    alone = split_clips([clip(c.name, "another file") for c in MANY[::3]], SHARES)
    together = split_clips(MANY, SHARES)
    for split in SHARES:
        assert {c.name for c in alone[split]} <= {c.name for c in together[split]}


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(InputError, match="split empty"):
        split_clips(MANY[:2], SHARES)
    assert len(split_clips(MANY[:2], {"train": 1, "val": 0, "test": 0})["train"]) == 2
