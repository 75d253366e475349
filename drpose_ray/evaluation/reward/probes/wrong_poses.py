"""Poses that are wrong by a known amount, made of joints alone: they need no body model, so any posed dataset will do.

Turning a joint of a Motion-X row moves the joints below it rigidly about it; that is what ``turn_limbs`` does to the 23
positions. All take and give (N, 23, 3) metres and leave the input alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch

from drpose_ray.geometry.rotations import axis_angle_to_matrix
from drpose_ray.geometry.skeleton import JOINT_NAMES, MIRROR, NUM_JOINTS, PARENTS
from drpose_ray.metrics.joints import mean_distance_cm

_PELVIS: Final = 0
_SIDES: Final = ("left", "right")
_MOST_TURNED: Final = 4


def _below(joint: int) -> tuple[int, ...]:
    """The joints that move when ``joint`` turns."""
    found: list[int] = []
    for other in range(NUM_JOINTS):
        ancestor = other
        while ancestor not in (joint, _PELVIS):
            ancestor = PARENTS[ancestor]
        if other != joint and ancestor == joint:
            found.append(other)
    return tuple(found)


_MOVED: Final = {joint: _below(joint) for joint in range(NUM_JOINTS) if joint != _PELVIS and _below(joint)}


def turn_limbs(joints: torch.Tensor, angle_deg: float, rng: np.random.Generator) -> torch.Tensor:
    """One to four joints of each person turned by ``angle_deg`` about axes of their own."""
    turned = joints.double().numpy().copy()
    for person in turned:
        chosen = np.sort(rng.choice(list(_MOVED), size=rng.integers(1, _MOST_TURNED + 1), replace=False))
        for joint in chosen:
            axis = rng.normal(size=3)
            rotation = axis_angle_to_matrix(np.deg2rad(angle_deg) * axis / np.linalg.norm(axis))
            limb = list(_MOVED[int(joint)])
            person[limb] = (person[limb] - person[joint]) @ rotation.T + person[joint]
    return torch.from_numpy(turned).to(joints)


def swap_sides(joints: torch.Tensor) -> torch.Tensor:
    """Every joint stays where one is, but left and right change names: the hardest swap, the outline is the same."""
    return joints[:, list(MIRROR)]


def mirror(joints: torch.Tensor) -> torch.Tensor:
    """The person in a mirror that faces the side: x to -x about the pelvis, names going along."""
    return _reflect(joints[:, list(MIRROR)], axis=0)


def mirror_depth(joints: torch.Tensor) -> torch.Tensor:
    """What is in front is behind: z to -z about the pelvis. The front view shows the same skeleton."""
    return _reflect(joints, axis=2)


def move_an_arm(joints: torch.Tensor) -> torch.Tensor:
    """One arm hangs at the body or is raised overhead, whichever of the four is furthest from where the arm was."""
    options = torch.stack([_straight_arm(joints, side, up) for side in _SIDES for up in (-1.0, 1.0)])
    return options[mean_distance_cm(options, joints).argmax(0), torch.arange(len(joints))]


def another_persons(joints: torch.Tensor) -> torch.Tensor:
    """The pose of the next person, at this one's pelvis."""
    pelvis = joints[:, :1]
    return (joints - pelvis).roll(-1, 0) + pelvis


WRONG_POSES: Final[dict[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "left and right swapped": swap_sides,
    "mirrored": mirror,
    "an arm elsewhere": move_an_arm,
    "depth reversed": mirror_depth,
    "another person's pose": another_persons,
}
"""Name -> joints of the wrong pose."""


def _reflect(joints: torch.Tensor, axis: int) -> torch.Tensor:
    reflected = joints.clone()
    reflected[..., axis] = 2 * joints[:, :1, axis] - joints[..., axis]
    return reflected


def _straight_arm(joints: torch.Tensor, side: str, up: float) -> torch.Tensor:
    """Elbow and wrist on a vertical line from the shoulder, a little outwards so that a hanging arm clears the hip."""
    shoulder, elbow, wrist = (JOINT_NAMES.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist"))
    outwards = joints[:, shoulder] - joints[:, JOINT_NAMES.index("spine3")]
    direction = 0.3 * torch.nn.functional.normalize(outwards, dim=-1)
    direction[:, 1] = up
    direction = torch.nn.functional.normalize(direction, dim=-1)
    moved = joints.clone()
    for above, joint in ((shoulder, elbow), (elbow, wrist)):
        length = (joints[:, joint] - joints[:, above]).norm(dim=-1, keepdim=True)
        moved[:, joint] = moved[:, above] + length * direction
    return moved
