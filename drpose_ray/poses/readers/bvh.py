"""BVH files: a hierarchy of joints with offsets and Euler channels, then one line of numbers a frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.geometry.rotations import turn

_AXES: Final = {"X": 0, "Y": 1, "Z": 2}
_END_SITE: Final = -2
"""Stands for the tip of the last bone, which is no joint, while the hierarchy is parsed."""


@dataclass(frozen=True)
class Bvh:
    """A skeleton and its motion, in the file's own unit and axes."""

    names: list[str]
    parents: list[int]  # -1 for the root
    offsets: NDArray[np.float64]  # (J, 3) from the parent, at rest
    rotations: NDArray[np.float64]  # (T, J, 3, 3) relative to the parent
    root: NDArray[np.float64]  # (T, 3) where the root is
    fps: float

    def world_rotations(self) -> NDArray[np.float64]:
        """(T, J, 3, 3) accumulated from the root."""
        world = self.rotations.copy()
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                world[:, joint] = world[:, parent] @ self.rotations[:, joint]
        return world

    def positions(self) -> NDArray[np.float64]:
        """(T, J, 3) by forward kinematics."""
        world = self.world_rotations()
        positions = np.empty(world.shape[:-1])
        for joint, parent in enumerate(self.parents):
            start = self.root if parent < 0 else positions[:, parent] + world[:, parent] @ self.offsets[joint]
            positions[:, joint] = start
        return positions

    def rest_positions(self) -> NDArray[np.float64]:
        """(J, 3) with all rotations zero, the root at the origin."""
        rest = np.zeros(self.offsets.shape)
        for joint, parent in enumerate(self.parents):
            rest[joint] = rest[parent] + self.offsets[joint] if parent >= 0 else 0
        return rest


def load_bvh(file: Path) -> Bvh:
    """Read one file.

    Channels are taken in the order that each joint states; angles are degrees. A frame time such as 0.0083333 is a
    rounded 1 / 120, so rates within a thousandth of a whole number are that number.

    Raises:
        InputError: the file is no BVH, is cut short, or its numbers are not those its hierarchy announces.
    """
    field, problem = "HIERARCHY", "the hierarchy cannot be parsed"
    try:
        head, _, tail = file.read_text(encoding="utf-8").partition("MOTION")
        names, parents, offsets, channels = _parse_hierarchy(head)
        field, problem = "MOTION", "the motion cannot be parsed"
        values, frame_seconds = _parse_motion(tail, sum(map(len, channels)))
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(file, "the file cannot be read as text", error, field) from error
    except (ValueError, IndexError) as error:
        raise _broken(file, problem, error, field) from error
    rotations = np.broadcast_to(np.eye(3), (len(values), len(names), 3, 3)).copy()
    root = np.tile(np.array(offsets[0]), (len(values), 1))
    column = 0
    for joint, joint_channels in enumerate(channels):
        for channel in joint_channels:
            axis, kind = _AXES[channel[0].upper()], channel[1:].lower()
            if kind == "rotation":
                rotations[:, joint] = rotations[:, joint] @ turn(axis, np.radians(values[:, column]))
            elif joint == 0:
                root[:, axis] = values[:, column]
            column += 1
    rate = 1 / frame_seconds
    fps = float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate
    return Bvh(names, parents, np.array(offsets), rotations, root, fps)


def _parse_hierarchy(text: str) -> tuple[list[str], list[int], list[tuple[float, ...]], list[tuple[str, ...]]]:
    """Names, parents, offsets and channels of the joints, in the file's order."""
    names: list[str] = []
    parents: list[int] = []
    offsets: list[tuple[float, ...]] = []
    channels: list[tuple[str, ...]] = []
    open_joints: list[int] = []
    words = text.split()
    if words[:1] != ["HIERARCHY"]:
        raise ValueError("it does not begin with HIERARCHY")
    i = 1
    while i < len(words):
        word = words[i]
        if word in {"ROOT", "JOINT"}:
            end = words.index("{", i)
            if (word == "ROOT") != (not names) or end == i + 1:
                raise ValueError(f"unexpected {word}")
            parents.append(open_joints[-1] if open_joints else -1)
            names.append(" ".join(words[i + 1 : end]))
            offsets.append(())
            channels.append(())
            open_joints.append(len(names) - 1)
            i = end + 1
        elif word == "End":
            open_joints.append(_END_SITE)
            i = words.index("{", i) + 1
        elif word == "OFFSET":
            if open_joints[-1] != _END_SITE:
                offsets[open_joints[-1]] = tuple(float(number) for number in words[i + 1 : i + 4])
            i += 4
        elif word == "CHANNELS" and open_joints[-1] != _END_SITE:
            num = int(words[i + 1])
            channels[open_joints[-1]] = tuple(words[i + 2 : i + 2 + num])
            i += 2 + num
        elif word == "}":
            open_joints.pop()
            i += 1
        else:
            raise ValueError(f"unexpected {word!r}")
    if open_joints or not names:
        raise ValueError("braces do not close" if open_joints else "no joints")
    _check_joints(names, offsets, channels)
    return names, parents, offsets, channels


def _check_joints(names: list[str], offsets: list[tuple[float, ...]], channels: list[tuple[str, ...]]) -> None:
    if len(set(names)) != len(names):
        raise ValueError("two joints have one name")
    for name, offset, joint_channels in zip(names, offsets, channels, strict=True):
        known = {channel[:1].upper() in _AXES and channel[1:].lower() for channel in joint_channels}
        if len(offset) != 3 or not np.isfinite(offset).all() or not known <= {"rotation", "position"}:
            raise ValueError(f"bad offset or channels of {name}")


def _parse_motion(text: str, num_channels: int) -> tuple[NDArray[np.float64], float]:
    """(T, channels), NaN where the file has no finite number, and the seconds between frames."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    num_frames = int(lines[0].removeprefix("Frames:"))
    seconds = float(lines[1].removeprefix("Frame Time:"))
    rows = [line.split() for line in lines[2:]]
    widths = {len(row) for row in rows}
    if len(rows) != num_frames or widths != {num_channels} or not 0 < seconds < 1:
        raise ValueError(
            f"{num_frames} frames of {num_channels} numbers are announced, {len(rows)} of {sorted(widths)} found, "
            f"{seconds} s apart"
        )
    values = np.array(rows, np.float64)
    return np.where(np.isfinite(values), values, np.nan), seconds


def _broken(file: Path, problem: str, error: Exception, field: str) -> InputError:
    return InputError(f"{problem} ({error})", file=file, field=field, remedy="copy or export the BVH file again")
