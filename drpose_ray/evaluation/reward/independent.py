"""Judges of a pose that the reward did not make: other skeleton predictors, and whatever a caller brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor

ImageJudge = Callable[[torch.Tensor, PosedPeople], torch.Tensor]
"""Images (N, M, V, 3, s, s) in [0, 1] and people with the target poses -> joint errors (N,) in cm, lower is better."""


def measure_independently(
    latents: torch.Tensor,
    images: torch.Tensor,
    target: PosedPeople,
    others: Sequence[ScoredPredictor],
    judges: Mapping[str, ImageJudge],
) -> dict[str, torch.Tensor]:
    """What each judge says of how well ``latents`` show the poses of ``target``, (N,) each, higher is better.

    ``images`` are the decoded latents. Other predictors give their PoseScore, image judges minus their error in cm.
    """
    found = {f"PoseScore of {other.name}": other.score(other.read(latents), other.draw(target)) for other in others}
    return found | {f"-cm by {name}": -judge(images, target) for name, judge in judges.items()}
