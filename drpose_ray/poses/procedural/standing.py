"""Poses of a scan set: people standing, arms a little away from the body; and a moderate set between that and dance.

Sec. 1 of the paper blames this narrow distribution for failures on challenging poses; the base model is trained on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW, JOINT
from drpose_ray.poses.procedural.rows import grounded_rows, rotations_from_euler

_SPINE = ("spine1", "spine2", "spine3", "neck", "head")


def draw_standing(rng: np.random.Generator, num: int) -> NDArray[np.float32]:
    """(num, 322) Motion-X rows: arms 8-32 degrees from the body, elbows 0-28, hips within 9, heading within 20."""
    euler = np.zeros((num, 22, 3))
    for side, sign in (("left", 1), ("right", -1)):
        euler[:, JOINT[f"{side}_shoulder"]] = np.stack(
            [rng.normal(0, 6, num), sign * rng.uniform(-12, 6, num), sign * rng.uniform(-82, -58, num)], -1
        )
        euler[:, JOINT[f"{side}_elbow"], 1] = -sign * rng.uniform(0, 28, num)
        euler[:, JOINT[f"{side}_wrist"]] = rng.normal(0, 4, (num, 3))
        hip = rng.uniform(-9, 9, num)
        spread = sign * rng.uniform(-1, 5, num)
        euler[:, JOINT[f"{side}_hip"]] = np.stack([hip, sign * rng.uniform(-4, 12, num), spread], -1)
        # A thigh that leans forward bends the knee, and the ankle keeps the sole level.
        knee = np.maximum(-hip, 0) + rng.uniform(0, 4, num)
        euler[:, JOINT[f"{side}_knee"], 0] = knee
        euler[:, JOINT[f"{side}_ankle"]] = np.stack([-hip - knee, np.zeros(num), -spread], -1)
    for name in _SPINE:
        euler[:, JOINT[name]] = rng.normal(0, 1, (num, 3)) * ((4, 6, 2) if name in ("neck", "head") else (2, 2, 1.5))
    tilt = rng.normal(0, 1.5, (num, 2))
    return _rows(euler, tilt, rng.uniform(-20, 20, num))


def draw_moderate(rng: np.random.Generator, num: int) -> NDArray[np.float32]:
    """(num, 322) Motion-X rows: arms to 145 degrees, elbows to 110, hips -15..60, knees to 70, heading within 30."""
    euler = np.zeros((num, 22, 3))
    for side, sign in (("left", 1), ("right", -1)):
        euler[:, JOINT[f"{side}_shoulder"]] = np.stack(
            [rng.normal(0, 15, num), sign * rng.uniform(-70, 15, num), sign * rng.uniform(-82, 55, num)], -1
        )
        euler[:, JOINT[f"{side}_elbow"]] = np.stack(
            [rng.normal(0, 15, num), -sign * rng.uniform(0, 110, num), np.zeros(num)], -1
        )
        euler[:, JOINT[f"{side}_wrist"]] = rng.normal(0, 8, (num, 3))
        hip = -rng.uniform(-15, 60, num)
        spread = sign * rng.uniform(-5, 25, num)
        euler[:, JOINT[f"{side}_hip"]] = np.stack([hip, sign * rng.uniform(-10, 20, num), spread], -1)
        euler[:, JOINT[f"{side}_knee"], 0] = rng.uniform(0, 70, num)
        euler[:, JOINT[f"{side}_ankle"], 0] = rng.normal(0, 8, num)
    for name in _SPINE:
        euler[:, JOINT[name]] = rng.normal(0, 1, (num, 3)) * ((7, 12, 5) if name in ("neck", "head") else (6, 6, 4))
    tilt = rng.normal(0, 6, (num, 2))
    return _rows(euler, tilt, rng.uniform(-30, 30, num))


def _rows(
    euler_deg: NDArray[np.float64], tilt_deg: NDArray[np.float64], heading_deg: NDArray[np.float64]
) -> NDArray[np.float32]:
    euler = np.clip(np.radians(euler_deg), EULER_LOW, EULER_HIGH)
    return grounded_rows(rotations_from_euler(euler, np.radians(tilt_deg), np.radians(heading_deg)))
