"""Splits by recording: two takes of one recording are too alike for one to test what the other trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from drpose_ray.errors import InputError
from drpose_ray.poses.motionx import MotionClip
from drpose_ray.seeding import derive_seed

# Never a run's own seed: a reward trained in one run must not have seen the test poses of another.
SPLIT_SEED = 0


def recording(clip_name: str) -> str:
    """The clip's name without Motion-X's ``_clip_<n>``, which tells takes of one move apart."""
    return re.sub(r"_clip_\d+$", "", clip_name)


def split_clips(clips: Sequence[MotionClip], shares: Mapping[str, float]) -> dict[str, list[MotionClip]]:
    """Deal the clips to the splits named in ``shares``; the first split takes what the others leave.

    A recording's split follows from a hash of its source and name alone, so it is the same in every run and
    in whichever file and beside whatever other clips it is read.

    Raises:
        InputError: a split of positive share gets no clip.
    """
    rest, *others = (split for split, share in shares.items() if share > 0)
    dealt: dict[str, list[MotionClip]] = {split: [] for split in shares}
    for clip in clips:
        place = derive_seed(SPLIT_SEED, "split", recording(clip.name)) / 2**63
        chosen = rest
        for split in others:
            if place < shares[split]:
                chosen = split
                break
            place -= shares[split]
        dealt[chosen].append(clip)
    for split in (rest, *others):
        if not dealt[split]:
            raise InputError(
                f"{len(clips)} clips leave the {split} split empty",
                field="poses.motions",
                value=sorted({clip.source for clip in clips}),
                remedy="add clips, or change the splits' shares",
            )
    return dealt
