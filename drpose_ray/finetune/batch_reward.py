"""The reward of a batch: PoseScore (Eq. 1) of generated latents against maps drawn from the batch's own poses, or a sum
of several rewards (``finetune.reward.terms``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.geometry.view_sets import ViewSet
from drpose_ray.reward.config import DistanceConfig, RewardTermConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.rewards import Ensemble, PoseReward, Reward, TargetMaps, WeightedSum
from drpose_ray.reward.user_reward import CheckedReward, import_reward

BatchReward = Callable[[torch.Tensor, PosedPeople], torch.Tensor]
"""x0 latents (M, B, V, 4, h, w) and their pairs -> rewards (B,), differentiable in the latents. The reward of an object
reads that object's latents alone. Of a pair it reads the pose, not the image."""

_Shape = tuple[int, int, int, int, int]


@runtime_checkable
class TermedReward(Protocol):
    """A ``BatchReward`` that also tells its terms apart."""

    def score(self, latents_x0: torch.Tensor, batch: PosedPeople) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """The reward (B,) and, without weights and gradients, those of its terms, by name."""
        ...


def score_with_terms(
    reward: BatchReward, latents_x0: torch.Tensor, batch: PosedPeople
) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
    """The reward (B,) and its terms by name; a reward of one piece has none."""
    if isinstance(reward, TermedReward):
        return reward.score(latents_x0, batch)
    return reward(latents_x0, batch), {}


def load_batch_reward(config: FinetuneConfig, distance: DistanceConfig, device: torch.device) -> BatchReward:
    """The reward of ``config`` for latents of its base, on ``device``: a ``TermedReward`` if terms are given.

    Raises InputError if a file is missing, a predictor was trained on latents of another size, or a user's reward does
    not keep the contract of ``reward.rewards.Reward``.
    """
    from drpose_ray.diffusion.published.layout import outline_unet  # imports diffusers: seconds

    unet = outline_unet(config.model.base)  # which views there are, and how large latents are
    targets = TargetMaps(device)
    if not config.reward.terms:
        return _OfSlots(
            _load_pose_score(config.reward.predictor, "predictor", distance, unet.latent_shape, targets), unet.view_set
        )
    terms = {term.name: _load_term(term, config, distance, unet.latent_shape, targets) for term in config.reward.terms}
    return _SumOfSlots(WeightedSum(terms, {term.name: term.weight for term in config.reward.terms}), unet.view_set)


class _OfSlots:
    """A reward of true views, asked about the slots of a model, some of which are mirrored or show a face."""

    def __init__(self, reward: Reward, slots: ViewSet) -> None:
        self._reward, self._slots = reward, slots

    def __call__(self, latents_x0: torch.Tensor, batch: PosedPeople) -> torch.Tensor:
        return self._reward(self._slots.to_true_views(latents_x0, view_axis=2), batch)


class _SumOfSlots(_OfSlots):
    """The same of a sum, whose terms can be told."""

    def __init__(self, total: WeightedSum, slots: ViewSet) -> None:
        super().__init__(total, slots)
        self._total = total

    def score(self, latents_x0: torch.Tensor, batch: PosedPeople) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        return self._total.score(self._slots.to_true_views(latents_x0, view_axis=2), batch)


def _load_term(
    term: RewardTermConfig, config: FinetuneConfig, distance: DistanceConfig, shape: _Shape, targets: TargetMaps
) -> Reward:
    if term.function is not None:
        reward = CheckedReward(term.name, import_reward(term.function))
        domains, _, *latent = shape
        reward.probe((domains, NUM_VIEWS, *latent), targets.device)
        return reward
    field = f"terms ({term.name})"
    members = [
        _load_pose_score(path, field, distance, shape, targets)
        for path in term.predictors or (config.reward.predictor,)
    ]
    if len(members) == 1:
        return members[0]
    return Ensemble(members, None if term.caution == "least" else term.deviations)


def _load_pose_score(
    path: Path, field: str, distance: DistanceConfig, shape: _Shape, targets: TargetMaps
) -> PoseReward:
    predictor = SkeletonPredictor.load(path)
    read, (_, _, channels, height, _) = predictor.config, shape
    if (read.latent_channels, read.latent_size) != (channels, height):
        raise InputError(
            f"the skeleton predictor reads latents of {read.latent_channels} x {read.latent_size}^2",
            file=path,
            field=f"finetune.reward.{field}",
            value=f"the model's latents are {channels} x {height}^2",
            remedy="train the predictor on this model's latents (jobs/fit_reward.py)",
        )
    return PoseReward(PoseScore(predictor, SkeletonDistance(distance)), read.map_size, targets)
