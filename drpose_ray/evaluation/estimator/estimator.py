"""The independent judge of pose: reads 3D joints from the decoded six views.

It shares nothing with the reward (Sec. 3.1) that could be hacked along with it: it sees pixels where the skeleton
predictor sees latents, regresses 3D joints where that draws maps, fuses views where that reads each alone, and is
trained on other people and poses with another seed. Post-training never differentiates through it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from drpose_ray.core.training.network_file import load_network, save_weights
from drpose_ray.evaluation.estimator.estimator_config import EstimatorConfig
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.metrics.joints import pelvis_aligned_error_cm

_GROUPS = 8
_RGB = 3
_NUM_DOMAINS = 2


class PoseEstimator(nn.Module):
    """Images (B, M=2, V=6, 3, H, W) in [0, 1] -> joints (B, 23, 3) relative to the pelvis, in frame widths."""

    mean_joints: torch.Tensor
    """Buffer (23, 3): the training set's mean pose, to which the network adds."""

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = (_NUM_DOMAINS * _RGB, *config.channels)
        stages = []
        for level, (above, below) in enumerate(pairwise(widths)):
            stages += [
                nn.Conv2d(above, below, 3, padding=1, stride=1 if level == 0 else 2),
                nn.GroupNorm(_GROUPS, below),
                nn.ReLU(),
            ]
        side = -(-config.input_size // 2 ** (len(config.channels) - 1))
        self.trunk = nn.Sequential(
            *stages,
            nn.Conv2d(widths[-1], widths[-1] // 2, 1),
            nn.Flatten(),
            nn.Linear(widths[-1] // 2 * side * side, config.view_features),
        )
        self.fuse = nn.Sequential(
            nn.LayerNorm(NUM_VIEWS * config.view_features),
            nn.ReLU(),
            nn.Linear(NUM_VIEWS * config.view_features, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, NUM_JOINTS * 3),
        )
        self.register_buffer("mean_joints", torch.zeros(NUM_JOINTS, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Joints (B, 23, 3) minus the pelvis, divided by the frame's width; ``images`` as ``shrink_images`` takes."""
        # Channels by view: white background becomes zero, so that padding continues it.
        per_view = 1 - shrink_images(images, self.config.input_size).transpose(1, 2).flatten(0, 1).flatten(1, 2)
        features: torch.Tensor = self.trunk(per_view)
        offsets: torch.Tensor = self.fuse(features.reshape(len(images), -1))
        return self.mean_joints + offsets.reshape(-1, NUM_JOINTS, 3)

    @torch.no_grad()
    def estimate(self, images: torch.Tensor, width_m: torch.Tensor) -> torch.Tensor:
        """Joints (B, 23, 3) in metres, pelvis at the origin, world axes; ``width_m`` (B,) metres across the image."""
        joints: torch.Tensor = self(images)
        return joints * width_m[:, None, None]

    def errors_cm(self, images: torch.Tensor, width_m: torch.Tensor, joints_m: torch.Tensor) -> torch.Tensor:
        """Mean joint error (B,), pelvises aligned, against ``joints_m`` (B, 23, 3); a batch visits the device."""
        device, small = self.mean_joints.device, shrink_images(images, self.config.input_size)
        return pelvis_aligned_error_cm(self.estimate(small.to(device), width_m.to(device)).cpu(), joints_m)

    def save(self, path: Path) -> None:
        """Publish weights and config as one safetensors file."""
        save_weights(self, self.config, path)

    @staticmethod
    def load(path: Path) -> PoseEstimator:
        """Read what ``save`` wrote, in evaluation mode. Raises InputError if the file is not a pose estimator."""
        return load_network(path, EstimatorConfig, PoseEstimator).eval()


def shrink_images(images: torch.Tensor, size: int) -> torch.Tensor:
    """Average (..., 3, H, W) images down to ``size``, as float32 in [0, 1]; uint8 images are scaled."""
    values = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if values.shape[-1] == size:
        return values
    flat = F.interpolate(values.flatten(0, -4), size=(size, size), mode="area")
    return flat.reshape(*values.shape[:-2], size, size)
