"""PoseScore, Eq. 1: how well the pose in generated multi-view latents agrees with a 3D pose."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drpose_ray.reward.distance import SkeletonDistance


class PoseScore(nn.Module):
    """r = - || g_skel(x0) - R(J(theta)) ||, differentiable in the latents; predictor and distance are frozen."""

    def __init__(self, predictor: nn.Module, distance: SkeletonDistance) -> None:
        """``predictor`` maps latents (M, B, V, C, h, w) to map logits (B, V, 23, s, s). Freezes it in place."""
        super().__init__()
        self.predictor, self.distance = predictor, distance
        self.requires_grad_(False)
        self.train(False)

    def forward(
        self, latents: Float[Tensor, "M B V C h w"], target_maps: Float[Tensor, "B V J s s"]
    ) -> Float[Tensor, " B"]:
        """Scores, each <= 0, of x0 latents against maps in [0, 1].

        ``target_maps`` are R(J(theta)): ``render_skeleton_maps`` of the pose at the predictor's map size. Computed in
        float32 whatever the latents' type: the logarithms of near-empty maps do not survive half precision.
        """
        with torch.autocast(latents.device.type, enabled=False):
            logits: Tensor = self.predictor(latents.float())
            distances: Tensor = self.distance(logits, target_maps.float())
        return -distances

    def train(self, mode: bool = True) -> PoseScore:  # noqa: ARG002
        """Stays in evaluation mode, also when a containing module is put into training mode."""
        return super().train(False)
