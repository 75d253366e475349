"""BVH files: a hierarchy of joints with offsets and Euler channels, then one line of numbers a frame."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.files.reading import read_text, refusing
from drpose_ray.geometry.rotations import turn
from drpose_ray.poses.readers.budget import (
    MAX_BVH_BYTES,
    MAX_BVH_NUMBER,
    MAX_FPS,
    MAX_FRAMES,
    MAX_JOINT_FRAMES,
    MIN_FPS,
)
from drpose_ray.poses.readers.joints.bvh_hierarchy import AXES, Hierarchy, parse_hierarchy

_REMEDY: Final = "copy or export the BVH file again"
_MOTION: Final = re.compile(r"^[ \t]*MOTION[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Bvh:
    """A skeleton and its motion, in the file's own unit and axes."""

    names: list[str]
    parents: list[int]  # -1 for the root
    offsets: NDArray[np.float64]  # (J, 3) from the parent, at rest
    rotations: NDArray[np.float64]  # (T, J, 3, 3) relative to the parent
    places: dict[int, NDArray[np.float64]]
    """Joint -> (T, 3) where it is in its parent's axes, for joints with position channels; these replace its offset."""
    fps: float

    def __len__(self) -> int:
        return len(self.rotations)

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
            place = self.places.get(joint, self.offsets[joint])
            if parent < 0:
                positions[:, joint] = place
            elif joint in self.places:
                positions[:, joint] = positions[:, parent] + (world[:, parent] @ place[..., None])[..., 0]
            else:
                positions[:, joint] = positions[:, parent] + world[:, parent] @ place
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
        InputError: the file is no BVH, is cut short, or its numbers are not those its hierarchy announces, or more than
            `poses.readers.budget` allows.
        OSError: the disk failed.
    """
    text = read_text(file, MAX_BVH_BYTES)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    with refusing(file, "HIERARCHY", "the hierarchy cannot be parsed", _REMEDY):
        head, numbers = _split(text)
        hierarchy = parse_hierarchy(head)
    with refusing(file, "MOTION", "the motion cannot be parsed", _REMEDY):
        values, frame_seconds = _parse_motion(numbers, hierarchy)
    rotations, places = _move(hierarchy, values)
    rate = 1 / frame_seconds
    fps = float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate
    return Bvh(hierarchy.names, hierarchy.parents, np.array(hierarchy.offsets), rotations, places, fps)


def _split(text: str) -> tuple[str, str]:
    """What is above the line MOTION, and what is below."""
    line = _MOTION.search(text)
    if line is None:
        raise ValueError("no line says MOTION")
    return text[: line.start()], text[line.end() :]


def _parse_motion(text: str, hierarchy: Hierarchy) -> tuple[NDArray[np.float64], float]:
    """(T, channels), NaN where the file has no usable number, and the seconds between frames."""
    stream = io.StringIO(text)
    lines = (line.strip() for line in iter(stream.readline, ""))
    heads = (line for line in lines if line)
    num_frames = int(next(heads, "").removeprefix("Frames:"))
    seconds = float(next(heads, "").removeprefix("Frame Time:"))
    if not 0 <= num_frames <= min(MAX_FRAMES, MAX_JOINT_FRAMES // len(hierarchy.names)):
        raise ValueError(f"{num_frames} frames of {len(hierarchy.names)} joints are announced")
    if not 1 / MAX_FPS <= seconds <= 1 / MIN_FPS:
        raise ValueError(f"frames are {seconds} s apart")
    values = np.empty((0, hierarchy.num_channels))
    if next(heads, None) is not None:
        stream.seek(0)
        rows = (line for line in iter(stream.readline, "") if line.strip())
        next(rows), next(rows)
        values = np.loadtxt(rows, np.float64, comments=None, ndmin=2, max_rows=num_frames + 1)
    if values.shape != (num_frames, hierarchy.num_channels):
        found = "more" if len(values) > num_frames else f"{len(values)} of {values.shape[1]}"
        raise ValueError(f"{num_frames} frames of {hierarchy.num_channels} numbers are announced, {found} found")
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) <= MAX_BVH_NUMBER, values, np.nan), seconds


def _move(
    hierarchy: Hierarchy, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
    """What the channels (T, C) do: rotations (T, J, 3, 3) and, by joint, places (T, 3)."""
    rotations = np.broadcast_to(np.eye(3), (len(values), len(hierarchy.names), 3, 3)).copy()
    places: dict[int, NDArray[np.float64]] = {}
    column = 0
    for joint, channels in enumerate(hierarchy.channels):
        for channel in channels:
            axis, kind = AXES[channel[0].upper()], channel[1:].lower()
            if kind == "rotation":
                rotations[:, joint] = rotations[:, joint] @ turn(axis, np.radians(values[:, column]))
            else:
                start = np.tile(np.array(hierarchy.offsets[joint]), (len(values), 1))
                places.setdefault(joint, start)[:, axis] = values[:, column]
            column += 1
    return rotations, places
