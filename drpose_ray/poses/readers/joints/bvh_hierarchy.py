"""The first part of a BVH file: joints, their offsets and the channels that move them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from drpose_ray.poses.readers.budget import MAX_BVH_NUMBER, MAX_CHANNELS, MAX_HIERARCHY, MAX_JOINTS, MAX_NAME

AXES: Final = {"X": 0, "Y": 1, "Z": 2}
_END_SITE: Final = -2
"""Stands for the tip of the last bone, which is no joint, while the hierarchy is parsed."""


@dataclass(frozen=True)
class Hierarchy:
    """The joints in the file's order, each after its parent."""

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)  # -1 for the root
    offsets: list[tuple[float, ...]] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def num_channels(self) -> int:
        """Numbers in a frame."""
        return sum(map(len, self.channels))


def parse_hierarchy(text: str) -> Hierarchy:
    """The joints of ``HIERARCHY ...``. Raises ValueError or IndexError, whose text says what is wrong."""
    if len(text) > MAX_HIERARCHY:
        raise ValueError(f"it is longer than {MAX_HIERARCHY} letters")
    words = text.split()
    if words[:1] != ["HIERARCHY"]:
        raise ValueError("it does not begin with HIERARCHY")
    found = Hierarchy()
    open_joints: list[int] = []
    i = 1
    while i < len(words):
        word = words[i]
        if word in {"ROOT", "JOINT"}:
            end = words.index("{", i)
            if (word == "ROOT") != (not found.names) or end == i + 1:
                raise ValueError(f"unexpected {word}")
            if len(found.names) == MAX_JOINTS:
                raise ValueError(f"more than {MAX_JOINTS} joints")
            found.parents.append(open_joints[-1] if open_joints else -1)
            found.names.append(" ".join(words[i + 1 : end]))
            found.offsets.append(())
            found.channels.append(())
            open_joints.append(len(found.names) - 1)
            i = end + 1
        elif word == "End":
            open_joints.append(_END_SITE)
            i = words.index("{", i) + 1
        elif word == "OFFSET":
            if open_joints[-1] != _END_SITE:
                found.offsets[open_joints[-1]] = tuple(float(number) for number in words[i + 1 : i + 4])
            i += 4
        elif word == "CHANNELS" and open_joints[-1] != _END_SITE:
            joint, num = open_joints[-1], int(words[i + 1])
            if not 0 <= num <= MAX_CHANNELS:
                raise ValueError(f"CHANNELS {num} of {found.names[joint][:MAX_NAME]}, not 0 to {MAX_CHANNELS}")
            found.channels[joint] = tuple(words[i + 2 : i + 2 + num])
            i += 2 + num
        elif word == "}":
            open_joints.pop()
            i += 1
        else:
            raise ValueError(f"unexpected {word[:MAX_NAME]!r}")
    if open_joints or not found.names:
        raise ValueError("braces do not close" if open_joints else "no joints")
    _check_joints(found)
    return found


def _check_joints(found: Hierarchy) -> None:
    if len(set(found.names)) != len(found.names):
        raise ValueError("two joints have one name")
    for name, offset, channels in zip(found.names, found.offsets, found.channels, strict=True):
        if len(name) > MAX_NAME:
            raise ValueError(f"the name of a joint is longer than {MAX_NAME} letters")
        known = {channel[:1].upper() in AXES and channel[1:].lower() for channel in channels}
        distinct = len({channel.lower() for channel in channels}) == len(channels)
        measured = len(offset) == 3 and (np.abs(offset) <= MAX_BVH_NUMBER).all()
        if not measured or not known <= {"rotation", "position"} or not distinct:
            raise ValueError(f"bad offset or channels of {name}")
