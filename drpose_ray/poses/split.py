"""Splits by what is danced: two takes of one move are too alike for one to test what the other trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import derive_seed
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.procedural.dance_names import parse_aistpp_dance, parse_motionx_dance

SplitBy = Literal["move", "dancer", "subject"]

_CMU_CLIP = re.compile(r"(?:^|.*/)(\d{2,3})_\d{2}(?:_[a-z]+)?")

# Never a run's own seed: a reward trained in one run must not have seen the test poses of another.
SPLIT_SEED = 0


def recording(clip_name: str) -> str:
    """The clip's name without Motion-X's ``_clip_<n>``, which tells takes of one move apart."""
    return re.sub(r"_clip_\d+$", "", clip_name)


def split_group(clip_name: str, by: SplitBy = "move") -> str:
    """What must stay in one split with this clip: clips of equal group are never divided.

    By ``move``: genre and move of a Motion-X AIST clip, in whichever folder it lies (takes of one move lie in several,
    and the official split divides them); genre, situation and choreography of an AIST++ sequence, whoever dances it; of
    other clips the recording. By ``dancer``: the AIST++ dancer. By ``subject``: the CMU subject, 60 of
    ``60_01``.

    Raises:
        InputError: by dancer or subject, and the name does not say which one.
    """
    if by == "subject":
        return _subject(clip_name)
    sequence = parse_aistpp_dance(clip_name)
    if by == "dancer":
        if sequence is None or len(sequence.dancers) != 1:
            raise InputError(
                "the clip's name does not name one dancer",
                field="poses.split_by",
                value=clip_name,
                remedy="split by move, or give AIST++ sequences only (and poses.dance.num_clips 0)",
            )
        return f"dancer {sequence.dancers[0]}"
    if sequence is not None:
        return f"{sequence.genre} {sequence.situation} {sequence.choreography}"
    dance = parse_motionx_dance(clip_name)
    if dance is not None:
        return f"{dance.genre} {dance.move}"
    return recording(clip_name)


def _subject(clip_name: str) -> str:
    found = _CMU_CLIP.fullmatch(clip_name)
    if found is None:
        raise InputError(
            "the clip's name does not name a CMU subject, as 60_01 does", field="poses.split_by", value=clip_name,
            remedy="split by move, or give CMU's clips only (and poses.dance.num_clips 0)",
        )  # fmt: skip
    return f"subject {int(found[1])}"


def split_clips(
    clips: Sequence[MotionClip], shares: Mapping[str, float], by: SplitBy = "move"
) -> dict[str, list[MotionClip]]:
    """Deal the clips to the splits named in ``shares``; the first split takes what the others leave.

    A clip's split follows from a hash of its `split_group` alone, so it is the same in every run and in whichever file
    and beside whatever other clips it is read.

    Raises:
        InputError: a split of positive share gets no clip, a name does not say its dancer, or clips of Motion-X's AIST
            subset and of AIST++ are to be split together: they show the same dances under names that nothing relates.
    """
    rest, *others = (split for split, share in shares.items() if share > 0)
    if others:
        _refuse_same_dances_under_two_names(clips)
    dealt: dict[str, list[MotionClip]] = {split: [] for split in shares}
    for clip in clips:
        place = derive_seed(SPLIT_SEED, "split", split_group(clip.name, by)) / 2**63
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


def _refuse_same_dances_under_two_names(clips: Sequence[MotionClip]) -> None:
    one = next((clip.name for clip in clips if parse_motionx_dance(clip.name)), None)
    other = next((clip.name for clip in clips if parse_aistpp_dance(clip.name)), None)
    if one and other:
        raise InputError(
            "Motion-X's AIST subset and AIST++ hold the same dances, and their names do not tell which are which",
            field="poses.motions",
            value=[one, other],
            remedy="give one of the two, or all of both to one split",
        )
