"""The two evaluators of pose, loaded: the reward itself, and an estimator that has no part in the training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.evaluation.estimator.estimator import PoseEstimator
from drpose_ray.evaluation.evaluate_model import PoseSet, PoseTable, evaluate_model
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor


class Evaluators:
    """Skeleton predictor with its distance (PoseScore), and the independent pose estimator."""

    def __init__(
        self, predictor: Path, distance: DistanceConfig, estimator: Path, device: torch.device | None = None
    ) -> None:
        """Batches visit ``device``, by default the CPU; what is given and returned stays on the CPU.

        Raises InputError if a file is not what its name says.
        """
        self._device = device or torch.device("cpu")
        self._predictor = SkeletonPredictor.load(predictor)
        self._score = PoseScore(self._predictor, SkeletonDistance(distance)).to(self._device)
        self._estimator = PoseEstimator.load(estimator).to(self._device)

    @property
    def map_size(self) -> int:
        """Side of the skeleton maps that pose sets must bring."""
        return self._predictor.config.map_size

    def evaluate(
        self, name: str, model: ImageToMultiView, latents_batches: Iterable[torch.Tensor], poses: PoseSet
    ) -> PoseTable:
        """``evaluate_model`` on latents (M, b, V, 4, h, w), decoded by the VAE of ``model``."""
        return evaluate_model(
            name,
            latents_batches,
            poses,
            decode_fn=lambda latents: self.decode(model, latents).transpose(0, 1),
            score_fn=lambda latents, maps: self._score(latents.to(self._device), maps.to(self._device)).cpu(),
            pose_error_fn=self._estimator.errors_cm,
        )

    def decode(self, model: ImageToMultiView, latents: torch.Tensor) -> torch.Tensor:
        """``model.decode`` of a model on the evaluators' device."""
        return model.decode(latents.to(self._device)).cpu()

    @torch.no_grad()
    def read_skeletons(self, latents: torch.Tensor) -> torch.Tensor:
        """The maps (B, V, 23, s, s) in [0, 1] that the reward sees in latents (M, B, V, 4, h, w)."""
        maps: torch.Tensor = self._predictor(latents.to(self._device)).sigmoid().cpu()
        return maps
