"""What the names of AIST's dances say: Motion-X's give genre and move, AIST++'s also dancer, music and choreography.

Facts: mimo 5.3 and 5.4. No mapping between the two kinds of name is published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MOTIONX_GENRES: Final = ("Street_Jazz", "Ballet_Jazz", "Pop", "Break", "House", "Middle_Hip-hop", "Krump")
AISTPP_GENRES: Final = {
    "BR": "break", "PO": "pop", "LO": "lock", "MH": "middle hip-hop", "LH": "LA hip-hop", "HO": "house", "WA": "waack",
    "KR": "krump", "JS": "street jazz", "JB": "ballet jazz",
}  # fmt: skip

_MOTIONX: Final = re.compile(
    rf"Dance_(?P<genre>{'|'.join(MOTIONX_GENRES)})(?:_(?!clip_\d+$)(?P<move>.+?))?(?:_clip_(?P<take>\d+))?"
)
_AISTPP: Final = re.compile(
    r"g(?P<genre>[A-Z]{2})_s(?P<situation>[A-Z]{2})_c(?P<camera>All|\d{2})_(?P<dancers>(?:d\d{2})+)"
    r"_m(?P<music>[A-Z]{2}\d)_ch(?P<choreography>\d{2})"
)


@dataclass(frozen=True)
class MotionXDance:
    """A clip of Motion-X's AIST subset, ``Dance_<Genre>[_<Move>][_clip_<n>]``; no suffix is take 0."""

    genre: str
    move: str | None
    take: int


@dataclass(frozen=True)
class AistPlusPlusDance:
    """A sequence of AIST++, e.g. ``gBR_sBM_cAll_d04_mBR0_ch01``."""

    genre: str
    """Two letters, of `AISTPP_GENRES`."""
    situation: str
    """BM basic, FM advanced and others."""
    dancers: tuple[str, ...]
    music: str
    choreography: str
    """Numbered anew in each genre and situation."""


def parse_motionx_dance(clip_name: str) -> MotionXDance | None:
    """What the last part of a clip's path says, None if it is no such name."""
    found = _MOTIONX.fullmatch(clip_name.rsplit("/", 1)[-1])
    return found and MotionXDance(found["genre"], found["move"], int(found["take"] or 0))


def parse_aistpp_dance(clip_name: str) -> AistPlusPlusDance | None:
    """What the last part of a clip's path says, None if it is no such name."""
    found = _AISTPP.fullmatch(clip_name.rsplit("/", 1)[-1])
    if not found or found["genre"] not in AISTPP_GENRES:
        return None
    dancers = tuple(re.findall(r"d\d{2}", found["dancers"]))
    return AistPlusPlusDance(found["genre"], found["situation"], dancers, found["music"], f"ch{found['choreography']}")
