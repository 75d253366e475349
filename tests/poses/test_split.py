"""Splits by recording."""

from __future__ import annotations

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.readers.motions import MotionClip
from drpose_ray.poses.split import recording, split_clips, split_group

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


MOVES = [
    f"Dance_{genre}_{move}" for genre in ("Pop", "Break", "House") for move in ("Wave", "Six_Step", "Jack", "Fresno")
]


def test_takes_of_one_aist_move_meet_in_no_two_splits_whatever_folder_they_lie_in() -> None:
    """The leak of Motion-X's official split: every move of its test set is also in train."""
    clips = [
        clip(f"aist/subset_000{folder}/{move}{take}")
        for folder in (0, 3, 9)
        for move in MOVES
        for take in ("", "_clip_1", "_clip_7")
    ]
    dealt = split_clips(clips, SHARES)
    moves = [{recording(c.name).rsplit("/", 1)[-1] for c in dealt[split]} for split in SHARES]
    assert sum(map(len, moves)) == len(MOVES)
    assert set.union(*moves) == set(MOVES)


def aistpp(dancer: int, choreography: int, music: int = 0, genre: str = "BR") -> str:
    return f"g{genre}_sBM_cAll_d{dancer:02d}_m{genre}{music}_ch{choreography:02d}"


SEQUENCES = [aistpp(d, c, m) for d in range(1, 13) for c in range(1, 13) for m in (0, 4)]


@pytest.mark.parametrize(("by", "part"), [("move", slice(-4, None)), ("dancer", slice(13, 16))])
def test_aistpp_splits_share_no_choreography_or_no_dancer(by: str, part: slice) -> None:
    dealt = split_clips([clip(name) for name in SEQUENCES], SHARES, by)  # type: ignore[arg-type]
    keys = [{c.name[part] for c in dealt[split]} for split in SHARES]
    assert sum(map(len, keys)) == 12 and all(keys)
    assert sum(map(len, dealt.values())) == len(SEQUENCES)


def test_choreographies_of_two_genres_are_not_one() -> None:
    assert split_group(aistpp(4, 1)) == split_group(aistpp(5, 1, 3)) != split_group(aistpp(4, 1, genre="PO"))


def test_names_without_one_dancer_are_refused_by_dancer() -> None:
    for name in ("05_02", "gBR_sGR_cAll_d04d05d06_mBR0_ch01", MOVES[0]):
        with pytest.raises(InputError, match="does not name one dancer"):
            split_group(name, "dancer")


def test_the_two_releases_of_aist_are_not_split_together() -> None:
    both = [clip(f"aist/subset_0000/{MOVES[0]}"), clip(aistpp(4, 1))]
    with pytest.raises(InputError, match="hold the same dances"):
        split_clips(both, SHARES)
    assert len(split_clips(both, {"train": 1.0})["train"]) == 2
