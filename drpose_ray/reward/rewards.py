"""Rewards as parts: what a reward is, PoseScore as one, cautious ensembles, and weighted sums whose terms are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.skeleton_maps import target_maps

_LEAST_VARIANCE = 1e-12  # a square root has no slope at zero, where members agree


class Reward(Protocol):
    """Latents x0 and the poses they should show -> rewards (B,), higher is better.

    Of ``poses`` a reward may read ``joints`` (B, 23, 3), ``center`` (B, 3) and ``width_m`` (B,): metres, in the axes of
    the input camera. Whether there are pictures beside them depends on who asks.
    ``latents_x0`` (M, B, V, C, h, w) are the six true views of ``VIEW_NAMES`` in both domains, normals first. A reward
    is differentiable in them, and the reward of an object reads that object alone: gradients are taken of the sum.
    """

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor: ...


class TargetMaps:
    """R(J(theta)) of Eq. 1 of the latest poses, drawn when first asked for: all stops, terms and members share them."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._drawn_of: tuple[torch.Tensor, ...] = ()
        self._maps: dict[int, torch.Tensor] = {}

    def draw(self, poses: PosedPeople, size: int) -> torch.Tensor:
        """Maps (B, 6, 23, size, size) in [0, 1] on ``device``; not to be written to."""
        of = (poses.joints, poses.center, poses.width_m)
        # By value: to a reward actor the poses of one batch come anew with each stop.
        if not (self._drawn_of and all(map(torch.equal, of, self._drawn_of))):
            self._drawn_of, self._maps = tuple(tensor.clone() for tensor in of), {}
        if size not in self._maps:
            self._maps[size] = target_maps(poses, size).to(self.device)
        return self._maps[size]


class PoseReward:
    """PoseScore (Eq. 1) of latents against maps drawn from their poses."""

    def __init__(self, score: PoseScore, map_size: int, targets: TargetMaps) -> None:
        """``map_size`` is the side of the maps that the score's predictor draws; ``score`` moves to where they are."""
        self._score, self._size, self._targets = score.to(targets.device), map_size, targets

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
        scores: torch.Tensor = self._score(latents_x0, self._targets.draw(poses, self._size))
        return scores


class Ensemble:
    """Several rewards of one kind that were trained apart: what only some of them see is not paid in full.

    A model that hacks one predictor moves away from the others, and their disagreement grows. ``deviations`` k gives
    mean - k x standard deviation over the members; None gives the least of them.
    """

    def __init__(self, members: Sequence[Reward], deviations: float | None) -> None:
        self._members, self._deviations = members, deviations

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
        rewards = torch.stack([member(latents_x0, poses) for member in self._members])  # (P, B)
        if self._deviations is None:
            return rewards.amin(0)
        spread = (rewards.var(0, unbiased=False) + _LEAST_VARIANCE).sqrt()
        return rewards.mean(0) - self._deviations * spread


class WeightedSum:
    """A reward that is the sum of named terms."""

    def __init__(self, terms: Mapping[str, Reward], weights: Mapping[str, float]) -> None:
        self._terms, self._weights = terms, weights

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
        return self.score(latents_x0, poses)[0]

    def score(self, latents_x0: torch.Tensor, poses: PosedPeople) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The sum (B,), differentiable, and for the log each term's own rewards (B,), without weight or graph."""
        values = {name: term(latents_x0, poses) for name, term in self._terms.items()}
        total = torch.stack([self._weights[name] * value for name, value in values.items()]).sum(0)
        return total, {name: value.detach() for name, value in values.items()}
