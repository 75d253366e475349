"""Limb-torso self-contact on the constant skeleton: capsules that come closer than their radii allow."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.poses.procedural.limits import JOINT

# (first joint, second joint, start and end as fractions of the bone, radius in metres). Forearms and shins start
# halfway, since the elbow and knee of a bent limb are always near; 1.3 on the forearm includes the palm.
_CAPSULES: Final = {
    "torso": ("pelvis", "neck", 0.0, 0.9, 0.13),
    "head": ("neck", "head", 0.5, 1.4, 0.09),
    "left_forearm": ("left_elbow", "left_wrist", 0.5, 1.3, 0.05),
    "right_forearm": ("right_elbow", "right_wrist", 0.5, 1.3, 0.05),
    "left_shin": ("left_knee", "left_ankle", 0.5, 1.0, 0.05),
    "right_shin": ("right_knee", "right_ankle", 0.5, 1.0, 0.05),
    "left_thigh": ("left_hip", "left_knee", 0.3, 1.0, 0.06),
    "right_thigh": ("right_hip", "right_knee", 0.3, 1.0, 0.06),
}
_PAIRS: Final = (
    *((f"{side}_{limb}", "torso") for side in ("left", "right") for limb in ("forearm", "shin")),
    *((f"{side}_forearm", other) for side in ("left", "right") for other in ("head", "left_thigh", "right_thigh")),
    ("left_forearm", "right_forearm"),
    ("left_shin", "right_shin"),
    ("left_thigh", "right_shin"),
    ("left_shin", "right_thigh"),
)


def segment_distance(
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    other_start: NDArray[np.floating],
    other_end: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Shortest distance (N,) between segments given by (N, 3) ends; their lengths must not be zero."""
    along, other, gap = end - start, other_end - other_start, start - other_start
    a, e, b = (along**2).sum(-1), (other**2).sum(-1), (along * other).sum(-1)
    c, f = (along * gap).sum(-1), (other * gap).sum(-1)
    # Parallel segments make the denominator zero; any s is then optimal and 0 is as good as the rest.
    denominator = a * e - b * b
    s = np.where(denominator > 1e-12, np.clip((b * f - c * e) / np.maximum(denominator, 1e-12), 0, 1), 0.0)
    t = np.clip((b * s + f) / e, 0, 1)
    s = np.clip((b * t - c) / a, 0, 1)
    distance: NDArray[np.float64] = np.linalg.norm(gap + s[:, None] * along - t[:, None] * other, axis=-1)
    return distance


def touches_itself(joints: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N, 22, 3) metres -> (N,): whether a forearm or shin enters the torso, the head or another limb."""
    ends = {}
    for name, (first, second, low, high, _) in _CAPSULES.items():
        base, bone = joints[:, JOINT[first]], joints[:, JOINT[second]] - joints[:, JOINT[first]]
        ends[name] = base + low * bone, base + high * bone
    touching = np.zeros(len(joints), bool)
    for one, two in _PAIRS:
        touching |= segment_distance(*ends[one], *ends[two]) < _CAPSULES[one][-1] + _CAPSULES[two][-1]
    return touching
