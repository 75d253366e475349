"""Procedural dance: the embedded pose source when no mocap is given.

Key poses are blended with draws from the joint-limit box and joined by monotone cubics (PCHIP) on the Euler angles. A
monotone cubic stays between its two keys, so no frame leaves the box, and it has no stop at a key as slerp has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from drpose_ray.core.seeding import stream
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.procedural.kinematics import joints_from_rotations
from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW, JOINT, mirrored
from drpose_ray.poses.procedural.rows import grounded_rows, rotations_from_euler
from drpose_ray.poses.procedural.self_contact import touches_itself

INVERTED_SHARE: Final = 0.08
"""Share of keys whose pelvis leaves the upright; the rest is standing dance."""
KEY_SECONDS: Final = (0.35, 1.1)

_Angles = tuple[float, float, float]
# Degrees, in limits.py's signs. "tilt" is the pelvis: forward pitch, 0, roll to the right.
_UPRIGHT: Final[dict[str, dict[str, _Angles]]] = {
    "stand": {
        "left_shoulder": (0, -10, -65), "right_shoulder": (0, 10, 65),
        "left_elbow": (0, -20, 0), "right_elbow": (0, 20, 0),
    },
    "t": {"left_shoulder": (0, 0, 0), "right_shoulder": (0, 0, 0)},
    "arabesque": {
        "tilt": (35, 0, 0), "left_hip": (-35, 0, 0), "right_hip": (30, -10, 0), "right_ankle": (40, 0, 0),
        "spine1": (-12, 0, 0), "neck": (-20, 0, 0),
        "left_shoulder": (0, -80, 15), "right_shoulder": (0, -20, -5),
    },
    "split_kick": {
        "tilt": (-8, 0, 0), "left_hip": (-118, 0, 8), "left_knee": (5, 0, 0), "left_ankle": (35, 0, 0),
        "right_hip": (20, 0, 0), "left_shoulder": (0, -5, 5), "right_shoulder": (0, 5, -5),
    },
    "side_kick": {
        "tilt": (0, 0, 22), "left_hip": (-12, 20, 65), "left_ankle": (25, 0, 0), "right_hip": (0, 0, 18),
        "left_shoulder": (0, -15, 10), "right_shoulder": (0, 45, 30),
        "left_elbow": (0, -30, 0), "right_elbow": (0, 80, 0),
    },
    "squat": {
        "tilt": (25, 0, 0), "left_hip": (-110, 15, 25), "right_hip": (-110, -15, -25), "left_knee": (125, 0, 0),
        "right_knee": (125, 0, 0), "left_ankle": (-30, 0, 0), "right_ankle": (-30, 0, 0),
        "left_shoulder": (0, -80, 0), "right_shoulder": (0, 80, 0),
    },
    "lunge": {
        "left_hip": (-85, 0, 5), "left_knee": (80, 0, 0), "right_hip": (28, 0, 0), "right_knee": (15, 0, 0),
        "right_ankle": (-25, 0, 0), "left_shoulder": (0, -20, 70), "right_shoulder": (0, 20, -70),
    },
    "guard": {
        "left_hip": (-30, 10, 12), "right_hip": (-20, -20, -12), "left_knee": (35, 0, 0), "right_knee": (35, 0, 0),
        "spine1": (10, 10, 0), "left_shoulder": (0, -55, -45), "right_shoulder": (0, 40, 50),
        "left_elbow": (20, -105, 0), "right_elbow": (-20, 120, 0),
    },
    "passe": {
        "left_hip": (-85, 35, 45), "left_knee": (120, 0, 0), "left_ankle": (35, 0, 0),
        "left_shoulder": (0, -25, 70), "right_shoulder": (0, 25, -70),
        "left_elbow": (0, -45, 0), "right_elbow": (0, 45, 0),
    },
}  # fmt: skip
_INVERTED: Final[dict[str, dict[str, _Angles]]] = {
    "handstand": {
        "tilt": (180, 0, 0), "left_shoulder": (0, -5, 80), "right_shoulder": (0, 5, -80),
        "left_collar": (0, 0, 8), "right_collar": (0, 0, -8), "left_hip": (-30, 0, 10), "right_hip": (25, 0, -10),
        "left_ankle": (35, 0, 0), "right_ankle": (35, 0, 0),
    },
    "tuck": {
        "tilt": (90, 0, 0), "left_hip": (-115, 0, 12), "right_hip": (-115, 0, -12), "left_knee": (130, 0, 0),
        "right_knee": (130, 0, 0), "spine1": (20, 0, 0), "spine2": (15, 0, 0),
        "left_shoulder": (0, -75, -20), "right_shoulder": (0, 75, 20),
        "left_elbow": (0, -25, 0), "right_elbow": (0, 25, 0),
    },
    "bridge": {
        "tilt": (-80, 0, 0), "spine1": (-14, 0, 0), "spine2": (-11, 0, 0), "spine3": (-11, 0, 0), "neck": (-22, 0, 0),
        "left_shoulder": (0, 15, 80), "right_shoulder": (0, -15, -80), "left_hip": (25, 0, 12),
        "right_hip": (25, 0, -12), "left_knee": (85, 0, 0), "right_knee": (85, 0, 0),
    },
}  # fmt: skip
_NUM_ANGLES: Final = 22 * 3


def _key_angles(key: dict[str, _Angles]) -> NDArray[np.float64]:
    """(22, 3) radians; row 0 is the pelvis' tilt, so that a mirror treats it as any joint."""
    euler = np.zeros((22, 3))
    for name, angles in key.items():
        euler[0 if name == "tilt" else JOINT[name]] = np.radians(angles)
    return euler


def _draw_key(rng: np.random.Generator) -> NDArray[np.float64]:
    """(22, 3): a key pose, perhaps mirrored, moved towards a random point of the box."""
    library = _INVERTED if rng.random() < INVERTED_SHARE else _UPRIGHT
    name = str(rng.choice(sorted(library)))
    euler = _key_angles(library[name])
    if name == "tuck":
        euler[0, 0] = rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.5:
        euler = mirrored(euler)
    tilt = euler[0] + rng.normal(0, np.radians(8), 3) * (1, 0, 1)
    weight = 0.8 * rng.beta(1.2, 1.6)
    within = EULER_LOW + rng.beta(2, 2, (22, 3)) * (EULER_HIGH - EULER_LOW)
    euler = np.clip((1 - weight) * euler + weight * within, EULER_LOW, EULER_HIGH)
    euler[0] = tilt
    return euler


def _draw_free_key(rng: np.random.Generator) -> NDArray[np.float64]:
    """A key without self-contact. About two draws in three pass, so fifty failures mean broken constants."""
    for _ in range(50):
        key = _draw_key(rng)
        rotations = rotations_from_euler(key[None], key[None, 0, ::2], np.zeros(1))
        if not touches_itself(joints_from_rotations(rotations))[0]:
            return key
    raise RuntimeError("no key pose without self-contact in 50 draws")


def generate_dance(rng: np.random.Generator, num_frames: int, fps: float = 30) -> MotionClip:
    """A dance of ``num_frames`` (at least 1) inside the joint limits, its lowest joint on the ground.

    Keys are 0.35-1.1 s apart and free of self-contact; frames between keys that touch are marked not ``valid``.
    The heading starts anywhere and turns by about 40 degrees a key.
    """
    times = [0.0]
    while times[-1] < num_frames / fps or len(times) < 2:
        times.append(times[-1] + rng.uniform(*KEY_SECONDS))
    keys = np.stack([_draw_free_key(rng) for _ in times])
    turns = np.concatenate([[rng.uniform(-np.pi, np.pi)], rng.normal(0, np.radians(40), len(times) - 1)])
    curve = PchipInterpolator(times, np.column_stack([keys.reshape(-1, _NUM_ANGLES), np.cumsum(turns)]))
    angles = curve(np.arange(num_frames) / fps)
    euler = angles[:, :_NUM_ANGLES].reshape(-1, 22, 3)
    rotations = rotations_from_euler(euler, euler[:, 0, ::2], angles[:, -1])
    return MotionClip(
        name="dance",
        motion=grounded_rows(rotations),
        fps=fps,
        valid=~touches_itself(joints_from_rotations(rotations)),
        source="procedural dance (drpose_ray.poses.dance)",  # in every record: it stays when this file moves
        licence="Apache-2.0",
    )


def generate_dances(seed: int, num: int, num_frames: int, fps: float = 30) -> list[MotionClip]:
    """``num`` dances named ``dance_0000`` and on; each depends on ``seed`` and its own number only."""
    dances = (generate_dance(stream(seed, "dance", number), num_frames, fps) for number in range(num))
    return [replace(dance, name=f"dance_{number:04d}") for number, dance in enumerate(dances)]
