"""The distance between predicted and drawn skeleton maps in Eq. 1: binary cross entropy plus LPIPS (Sec. 4.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.perceptual import PerceptualDistance
from drpose_ray.reward.skeleton_maps import compose_preview


class SkeletonDistance(nn.Module):
    """``bce_weight`` x cross entropy + ``perceptual_weight`` x perceptual distance, per object.

    * The cross entropy is summed over views, joints and pixels and divided by the summed target: per *drawn* pixel.
      A mean over all pixels would be 98 % background and change with map size; weighting the drawn pixels up would pay
      for drawing too much. The target's own entropy, a constant of the pose, is subtracted, so a perfect answer is 0.
    * The perceptual network takes 3 channels: it compares the maps composed in 23 fixed colours, averaged over views.
      Separate channels stay separate in the cross entropy; 8 triplets per view would cost eight times as much.
    """

    def __init__(self, config: DistanceConfig) -> None:
        super().__init__()
        self.config = config
        self.perceptual = (
            PerceptualDistance(config.backbone, config.backbone_weights, config.perceptual_size)
            if config.perceptual_weight > 0
            else None
        )

    def forward(
        self, logits: Float[Tensor, "B V J s s"], target_maps: Float[Tensor, "B V J s s"]
    ) -> Float[Tensor, " B"]:
        """Distances, each >= 0, of map logits to targets in [0, 1]."""
        distance = self.config.bce_weight * cross_entropy_excess(logits, target_maps)
        if self.perceptual is not None:
            distance = distance + self.config.perceptual_weight * self.perceptual_term(logits, target_maps)
        return distance

    def perceptual_term(
        self, logits: Float[Tensor, "B V J s s"], target_maps: Float[Tensor, "B V J s s"]
    ) -> Float[Tensor, " B"]:
        """Unweighted perceptual distance, or zeros if its weight is 0."""
        if self.perceptual is None:
            return logits.new_zeros(len(logits))
        images, targets = compose_preview(logits.sigmoid()), compose_preview(target_maps)
        distances: Tensor = self.perceptual(images.flatten(0, 1), targets.flatten(0, 1))
        return distances.reshape(logits.shape[:2]).mean(1)


def cross_entropy_excess(
    logits: Float[Tensor, "B V J s s"], target_maps: Float[Tensor, "B V J s s"]
) -> Float[Tensor, " B"]:
    """Binary cross entropy above the target's own entropy, per drawn pixel; same gradient as the plain one."""
    axes = (1, 2, 3, 4)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target_maps, reduction="none").sum(axes)
    own_entropy = (torch.special.entr(target_maps) + torch.special.entr(1 - target_maps)).sum(axes)
    excess: Tensor = (cross_entropy - own_entropy) / target_maps.sum(axes)
    return excess
