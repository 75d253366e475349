"""Is a worse pose scored worse? PoseScore of true latents against poses that are wrong by known amounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.core.seeding import stream
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.intervals import mean_of, over_people
from drpose_ray.evaluation.reward.probes.wrong_poses import turn_limbs
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.metrics.intervals import Interval
from drpose_ray.metrics.joints import mean_distance_cm
from drpose_ray.metrics.ranks import rank_correlation


class Calibration(BaseModel):
    """Spearman's rank correlation between minus PoseScore and the pose's distance."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_poses: int = Field(description="people x wrong poses of each")
    pooled: Interval = Field(description="over all people and poses together")
    per_person: Interval = Field(description="within a person, mean over people")
    share_monotone: float = Field(description="share of people with at least 0.9")


@dataclass(frozen=True)
class ScoredPoses:
    """P poses of each of N people: their distance from the true one and their scores, both (N, P)."""

    distance_cm: torch.Tensor
    score: torch.Tensor


def score_wrong_poses(
    predictor: ScoredPredictor,
    split: str,
    people: PosedPeople,
    logits: torch.Tensor,
    angles_deg: Sequence[float],
    seed: int,
) -> ScoredPoses:
    """The true pose and one pose for each angle, drawn by the name of the split, the same for every predictor."""
    poses = [people.joints]
    for number, angle in enumerate(angles_deg):
        poses.append(turn_limbs(people.joints, angle, stream(seed, "wrong pose", split, number)))
    return ScoredPoses(
        torch.stack([mean_distance_cm(joints, people.joints) for joints in poses], 1),
        torch.stack([predictor.score(logits, predictor.draw(people, joints)) for joints in poses], 1),
    )


def measure_calibration(scored: ScoredPoses) -> Calibration:
    """The correlations; intervals resample people."""
    distance, badness = scored.distance_cm.double().numpy(), -scored.score.double().numpy()

    def pooled(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        return rank_correlation(distance[rows].ravel(), badness[rows].ravel())

    each = np.array([rank_correlation(*pair) for pair in zip(distance, badness, strict=True)])
    return Calibration(
        num_poses=distance.size,
        pooled=over_people(pooled, len(distance)),
        per_person=mean_of(torch.from_numpy(each)),
        share_monotone=float((each >= 0.9).mean()),
    )
