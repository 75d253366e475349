"""Images of people without a forearm: the pose is right, and what should show it is not there."""

from __future__ import annotations

from typing import Final

import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project
from drpose_ray.geometry.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

_FOREARM_M: Final = 0.09  # half the thickness that is erased, clothing and fingers included
_HAND_SHARE: Final = 0.5  # how far the hand reaches beyond the wrist, in forearms
_HALF_THICKNESS_M: Final = 0.07
_THICKER_M: Final = {"spine": 0.16, "pelvis": 0.16, "hip": 0.14, "neck": 0.09, "head": 0.13, "jaw": 0.13, "knee": 0.1}
_WHITE: Final = 255


def erase_forearm(people: PosedPeople) -> torch.Tensor:
    """Images (N, M, V, 3, s, s) with the forearm that reaches furthest from the chest painted over in white.

    Where a thicker part of the body lies in the same place of the image, that part stays: in such a view the arm is not
    missed either way.
    """
    size = people.images.shape[-1]
    uv = project(people.joints, people.center, people.width_m, torch.tensor(VIEW_AZIMUTHS_DEG))  # (N, V, 23, 2)
    centres = (torch.arange(size) + 0.5) / size
    pixels = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)  # (s, s, 2)
    elbows, wrists = (
        torch.tensor([JOINT_NAMES.index(f"{side}_{part}") for side in ("left", "right")]) for part in ("elbow", "wrist")
    )
    chest = people.joints[:, JOINT_NAMES.index("spine3"), None]
    reach = (people.joints[:, wrists] - chest).norm(dim=-1).argmax(-1)  # (N,) 0 left, 1 right
    images = people.images.clone()
    for n, side in enumerate(reach.tolist()):
        elbow, wrist = int(elbows[side]), int(wrists[side])
        width = float(people.width_m[n])
        fingers = uv[n, :, wrist] + _HAND_SHARE * (uv[n, :, wrist] - uv[n, :, elbow])
        erased = _distance(pixels, uv[n, :, elbow], fingers) < _FOREARM_M / width  # (V, s, s)
        for joint in range(NUM_JOINTS):
            if joint != wrist:
                limb = _distance(pixels, uv[n, :, PARENTS[joint]], uv[n, :, joint])
                erased &= limb > _half_thickness_m(joint) / width
        images[n].masked_fill_(erased[None, :, None], _WHITE)
    return images


def _half_thickness_m(joint: int) -> float:
    found = [thickness for part, thickness in _THICKER_M.items() if part in JOINT_NAMES[joint]]
    return found[0] if found else _HALF_THICKNESS_M


def _distance(pixels: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Distance (V, s, s) of pixel centres (s, s, 2) from segments between (V, 2) and (V, 2), in frame widths."""
    along = (end - start)[:, None, None]
    offset = pixels - start[:, None, None]
    share = ((offset * along).sum(-1) / (along * along).sum(-1).clamp_min(1e-9)).clamp(0, 1)
    distance: torch.Tensor = (offset - share[..., None] * along).norm(dim=-1)
    return distance
