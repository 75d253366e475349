"""Does the right pose score higher than particular wrong ones, and in which views can that be seen?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.intervals import mean_of
from drpose_ray.evaluation.reward.probes.missing_limb import erase_forearm
from drpose_ray.evaluation.reward.probes.wrong_poses import WRONG_POSES
from drpose_ray.evaluation.reward.scored_predictor import ALL_VIEWS, ScoredPredictor
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.metrics.intervals import Interval
from drpose_ray.metrics.joints import mean_distance_cm

VIEW_SETS: Final[dict[str, tuple[int, ...]]] = {
    "all six": ALL_VIEWS,
    "front": (VIEW_NAMES.index("front"),),
    "diagonal": (VIEW_NAMES.index("front_right"), VIEW_NAMES.index("front_left")),
    "sides": (VIEW_NAMES.index("right"), VIEW_NAMES.index("left")),
    "back": (VIEW_NAMES.index("back"),),
}
MISSING: Final = "forearm missing in the images"
_TIE: Final = 1e-4  # rounding: depth cannot be seen from the front at all


class Sensitivity(BaseModel):
    """One way of being wrong, seen in one set of views."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    wrong: str = Field(description="what is wrong: the pose, or the images where it says so")
    views: str = Field(description="views that are scored")
    distance_cm: float = Field(description="mean distance of the wrong pose's joints; 0 where the images are wrong")
    difference: Interval = Field(description="PoseScore right minus wrong, paired")
    share_right: float = Field(description="share of people of whom the right one scores higher; ties do not count")


def measure_sensitivity(
    predictor: ScoredPredictor,
    people: PosedPeople,
    logits: torch.Tensor,
    encode: Callable[[torch.Tensor], torch.Tensor],
) -> list[Sensitivity]:
    """All of ``WRONG_POSES``, and images without a forearm; ``encode`` makes latents of images (N, M, V, 3, s, s)."""
    right, rows = predictor.draw(people), []
    without = predictor.read(encode(erase_forearm(people)).float())
    poses = {name: wrong(people.joints) for name, wrong in WRONG_POSES.items()}
    maps = {name: predictor.draw(people, joints) for name, joints in poses.items()}
    for views, chosen in VIEW_SETS.items():
        best = predictor.score(logits, right, chosen)
        for name, joints in poses.items():
            difference = best - predictor.score(logits, maps[name], chosen)
            rows.append(_row(name, views, float(mean_distance_cm(joints, people.joints).mean()), difference))
        rows.append(_row(MISSING, views, 0.0, best - predictor.score(without, right, chosen)))
    return rows


def _row(wrong: str, views: str, distance: float, difference: torch.Tensor) -> Sensitivity:
    return Sensitivity(
        wrong=wrong,
        views=views,
        distance_cm=distance,
        difference=mean_of(difference),
        share_right=float((difference > _TIE).double().mean()),
    )
