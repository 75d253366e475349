"""A skeleton predictor that is right by construction."""

from __future__ import annotations

import torch
from torch import nn

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from drpose_ray.reward.distance import SkeletonDistance
from tests.reward.posed_people import draw_images, draw_joints, draw_maps, frame_joints

SIZE = 32


class PerfectPredictor(nn.Module):
    """Latents that are the maps themselves, 23 channels in the second domain: reading is copying, times ``gain``."""

    config = PredictorConfig(latent_channels=23, latent_size=SIZE, map_size=SIZE)

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.gain * torch.logit(latents[1].clamp(1e-6, 1 - 1e-6))


def make_perfect_predictor(name: str = "perfect", gain: float = 1.0) -> ScoredPredictor:
    """For ``draw_seen`` people."""
    return ScoredPredictor(name, PerfectPredictor(gain), SkeletonDistance(DistanceConfig(perceptual_weight=0.0)))  # type: ignore[arg-type]


def draw_seen(num: int) -> PosedPeople:
    """People whose latents are their maps."""
    joints = draw_joints(num)
    maps = draw_maps(joints, SIZE)
    latents = torch.stack([maps, maps], 1)
    return PosedPeople(joints, *frame_joints(joints), images=draw_images(joints, 64), latents=latents)
