"""One predictor under judgement, with the distance that makes PoseScore of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.probes.ascent import Score
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit.renders import at_once
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import target_maps

_PEOPLE_AT_ONCE, _OF_SIZE = 32, 32  # pixels of a map
_CPU = torch.device("cpu")
ALL_VIEWS = tuple(range(NUM_VIEWS))


@dataclass(frozen=True)
class ScoredPredictor:
    """A skeleton predictor and the distance of Eq. 1, both on ``device``; what is given and returned is on the CPU."""

    name: str
    predictor: SkeletonPredictor
    distance: SkeletonDistance
    device: torch.device = _CPU

    @property
    def map_size(self) -> int:
        """Side of the maps in pixels."""
        return self.predictor.config.map_size

    def read(self, latents: torch.Tensor) -> torch.Tensor:
        """Map logits (N, V, 23, s, s) of latents (N, M, V, C, h, w); differentiable."""
        batches = latents.split(self._people_at_once)
        return torch.cat([self.predictor(batch.to(self.device).transpose(0, 1)).cpu() for batch in batches])

    def draw(self, people: PosedPeople, joints: torch.Tensor | None = None) -> torch.Tensor:
        """R(J(theta)): maps (N, V, 23, s, s) of ``people``, or of other ``joints`` (N, 23, 3) in their frames."""
        return target_maps(people if joints is None else replace(people, joints=joints), self.map_size)

    def score(self, logits: torch.Tensor, maps: torch.Tensor, views: Sequence[int] = ALL_VIEWS) -> torch.Tensor:
        """PoseScore (N,) over some of the views; differentiable."""
        num = self._people_at_once
        scores = [
            -self.distance(read[:, views].to(self.device), drawn[:, views].to(self.device)).cpu()
            for read, drawn in zip(logits.split(num), maps.split(num), strict=True)
        ]
        return torch.cat(scores)

    def perceptual(self, logits: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        """The perceptual term (N,) alone, unweighted; zeros if its weight is 0."""
        num = self._people_at_once
        terms = [
            self.distance.perceptual_term(read.to(self.device), drawn.to(self.device)).cpu()
            for read, drawn in zip(logits.split(num), maps.split(num), strict=True)
        ]
        return torch.cat(terms)

    def score_at(self, people: PosedPeople) -> Score:
        """PoseScore (N,) of latents at the poses of ``people``, whose maps are drawn once."""
        maps = self.draw(people)
        return lambda latents: self.score(self.read(latents), maps)

    @property
    def _people_at_once(self) -> int:
        return at_once(_PEOPLE_AT_ONCE, _OF_SIZE, self.map_size)


def load_scored_predictor(
    name: str, path: Path, distance: DistanceConfig, people: PosedPeople, device: torch.device
) -> ScoredPredictor:
    """Read a predictor onto ``device``.

    Raises InputError if it is none, or reads latents of another size than those of ``people``.
    """
    predictor = SkeletonPredictor.load(path).eval().requires_grad_(False)
    channels, height = people.latents.shape[-3:-1]
    if (predictor.config.latent_channels, predictor.config.latent_size) != (channels, height):
        raise InputError(
            f"the predictor reads latents of {predictor.config.latent_channels} x {predictor.config.latent_size}^2",
            file=path,
            field=f"reward_report.predictors.{name}",
            value=f"the model's latents are {channels} x {height}^2",
            remedy="name the model folder whose VAE it was trained with",
        )
    return ScoredPredictor(name, predictor.to(device), SkeletonDistance(distance).to(device), device)
