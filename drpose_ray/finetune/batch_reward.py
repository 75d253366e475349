"""The reward of a batch: PoseScore (Eq. 1) of generated latents against maps drawn from the batch's own poses."""

from __future__ import annotations

from collections.abc import Callable

import torch

from drpose_ray.diffusion.layout import outline_unet
from drpose_ray.errors import InputError
from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.finetune.data import PoseBatch
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import render_skeleton_maps

BatchReward = Callable[[torch.Tensor, PoseBatch], torch.Tensor]
"""x0 latents (M, B, V, 4, h, w) and their pairs -> rewards (B,), differentiable in the latents. The reward of an object
reads that object's latents alone. Of a pair it reads the pose, not the image."""


def load_batch_reward(config: FinetuneConfig, distance: DistanceConfig, device: torch.device) -> BatchReward:
    """PoseScore with ``config.predictor``, for latents of ``config.base``, on ``device``.

    Raises InputError if a file is missing or the predictor was trained on latents of another size.
    """
    unet = outline_unet(config.base)  # which views there are, and how large latents are
    predictor = SkeletonPredictor.load(config.predictor)
    _check_latents(config, predictor, unet.latent_shape)
    score = PoseScore(predictor, SkeletonDistance(distance)).to(device)
    azimuths_deg, size = torch.tensor(VIEW_AZIMUTHS_DEG), predictor.config.map_size

    def pose_score(latents_x0: torch.Tensor, batch: PoseBatch) -> torch.Tensor:
        targets = render_skeleton_maps(batch.joints, batch.center, batch.width_m, azimuths_deg, size)
        true_views = unet.view_set.to_true_views(latents_x0, view_axis=2)
        scores: torch.Tensor = score(true_views, targets.to(device))
        return scores

    return pose_score


def _check_latents(config: FinetuneConfig, predictor: SkeletonPredictor, shape: tuple[int, ...]) -> None:
    _, _, channels, height, _ = shape
    read = predictor.config
    if (read.latent_channels, read.latent_size) != (channels, height):
        raise InputError(
            f"the skeleton predictor reads latents of {read.latent_channels} x {read.latent_size}^2",
            file=config.predictor,
            field="finetune.predictor",
            value=f"the model's latents are {channels} x {height}^2",
            remedy="train the predictor on this model's latents (jobs/fit_reward.py)",
        )
