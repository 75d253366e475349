"""When a number that rose counts as better: only if nothing that it cannot see got worse.

One number can be bought at the cost of the others. Blurring what the small base draws raises PSNR, the agreement of its
two silhouettes and even the estimator's reading of the pose, without one limb put right; so every improvement is held
against four witnesses, of which sharpness is the one that no smear deceives.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from drpose_ray.metrics.paired import PairedChange

WITNESSES: Final = ("mpjpe_cm", "iou", "normal_error_deg", "sharpness")
"""Pose, silhouette, surface and detail: none is computed from another, and none is what DrPose optimises."""

REWARD: Final = "pose_score"
"""What DrPose optimises is no evidence of its own: its rise counts only where the pose error falls too."""


class Judgement(StrEnum):
    """What a change against the base shows."""

    BETTER = "better"
    UNCONFIRMED = "unconfirmed"
    """Better by its own interval, but not confirmed."""
    WORSE = "worse"
    UNCHANGED = "unchanged"
    """The interval holds zero."""


def against(key: str, changes: Mapping[str, PairedChange]) -> list[str]:
    """Witnesses that do not confirm an improvement of metric ``key``, as keys.

    Args:
        changes: metric key -> change of one model against the base, on one pose set.
    """
    fell = [name for name in WITNESSES if name != key and name in changes and changes[name].worsens]
    if key == REWARD and "mpjpe_cm" not in fell and not changes["mpjpe_cm"].improves:
        return ["mpjpe_cm", *fell]
    return fell


def judge_change(key: str, changes: Mapping[str, PairedChange]) -> Judgement:
    """What the change of metric ``key`` shows, the others considered."""
    if changes[key].worsens:
        return Judgement.WORSE
    if not changes[key].improves:
        return Judgement.UNCHANGED
    return Judgement.UNCONFIRMED if against(key, changes) else Judgement.BETTER
