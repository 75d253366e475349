"""The model and the reward as far as Algorithm 1 looks into them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from drpose_ray.diffusion.ddim import DdimSampler
from drpose_ray.diffusion.i2mv import load_i2mv, save_i2mv
from drpose_ray.errors import InputError
from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.finetune.data import PoseBatch
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import render_skeleton_maps


@dataclass(frozen=True)
class Parts:
    """All on one device and free of dropout."""

    denoiser: nn.Module  # trained, where it requires gradients
    frozen_denoiser: nn.Module  # as the denoiser was at the beginning, for the KL term
    encode_condition: Callable[[PoseBatch], object]
    pose_score: Callable[[torch.Tensor, PoseBatch], torch.Tensor]  # Eq. 1: x0 (M, B, V, 4, h, w) -> (B,)
    sampler: DdimSampler
    latent_shape: tuple[int, int, int, int, int]  # (M, V, 4, h, w) of one object
    export: Callable[[dict[str, torch.Tensor], Path], None]  # publish the model with these weights; the last call


def load_parts(config: FinetuneConfig, distance: DistanceConfig, device: torch.device) -> Parts:
    """The I2MV model of ``config.base`` and the PoseScore of ``config.predictor``.

    Raises InputError if a file is missing or the predictor was trained on latents of another size.
    """
    loaded = load_i2mv(config.base)
    for part in (loaded.unet, loaded.vae, loaded.image_encoder):
        part.to(device)
    model = replace(loaded, text=loaded.text.to(device))
    frozen = copy.deepcopy(model.unet)
    predictor = SkeletonPredictor.load(config.predictor)
    _check_latents(config, predictor, model.latent_shape)
    score = PoseScore(predictor, SkeletonDistance(distance)).to(device)
    azimuths_deg = torch.tensor(VIEW_AZIMUTHS_DEG)

    def encode_condition(batch: PoseBatch) -> object:
        images = batch.input_images
        if images.shape[-1] != model.image_size:
            images = F.interpolate(images, (model.image_size, model.image_size), mode="area")
        return model.encode_condition(images.to(device))

    def pose_score(latents_x0: torch.Tensor, batch: PoseBatch) -> torch.Tensor:
        size = predictor.config.map_size
        targets = render_skeleton_maps(batch.joints, batch.center, batch.width_m, azimuths_deg, size)
        scores: torch.Tensor = score(latents_x0, targets.to(device))
        return scores

    def export(weights: dict[str, torch.Tensor], folder: Path) -> None:
        frozen.load_state_dict(weights)
        save_i2mv(replace(model, unet=frozen), folder, dtype=torch.float32)

    return Parts(
        denoiser=model.unet.requires_grad_(True),
        frozen_denoiser=frozen,
        encode_condition=encode_condition,
        pose_score=pose_score,
        sampler=DdimSampler(model.schedule, config.num_sampling_steps, config.eta),
        latent_shape=model.latent_shape,
        export=export,
    )


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
