"""How well a skeleton predictor reads latents: the reward itself, and the measures of Table 3."""

from __future__ import annotations

import numpy as np
import torch
from skimage.metrics import structural_similarity

from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.reward.distance import SkeletonDistance, cross_entropy_excess
from drpose_ray.reward.latent_poses import LatentPoses
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.share import ALONE, Share
from drpose_ray.reward.skeleton_maps import compose_preview

_MEASURES = ("pose_score", "cross_entropy", "peak_error_cm", "psnr_db", "preview_psnr_db", "preview_ssim")
_AT_ONCE = 16


@torch.no_grad()
def measure_predictor(
    predictor: SkeletonPredictor, distance: SkeletonDistance, data: LatentPoses, share: Share = ALONE
) -> dict[str, float]:
    """Quality on clean latents of all views. Each process of ``share`` measures every size-th row, or none if there are
    fewer; all get the means.

    ``pose_score`` (Eq. 1); ``peak_error_cm``, in-plane distance of a map's brightest pixel from the joint's (its floor
    is half a pixel); ``psnr_db`` of the 23 channels, ``preview_psnr_db`` and ``preview_ssim`` of their composition in
    colours (the measures of Table 3, whose composition is not stated); ``cross_entropy``; and the perceptual distance
    under its own name.
    """
    device = next(predictor.parameters()).device
    views = torch.arange(NUM_VIEWS)
    names = [*_MEASURES, *([distance.perceptual.name] if distance.perceptual is not None else [])]
    totals = torch.zeros(len(names), dtype=torch.float64)
    own = range(share.rank, len(data), share.size)
    for start in range(0, len(own), _AT_ONCE):
        rows = torch.tensor(own[start : start + _AT_ONCE])
        latents, maps = data.pick(rows, views, predictor.config.map_size, device)
        logits = predictor(latents)
        predicted = logits.sigmoid()
        images, targets = compose_preview(predicted), compose_preview(maps)
        cm_per_pixel = data.width_m[rows.to(data.width_m.device)].to(device) * 100 / maps.shape[-1]
        batch = {
            "pose_score": -distance(logits, maps),
            "cross_entropy": cross_entropy_excess(logits, maps),
            "peak_error_cm": _peak_error_px(predicted, maps).mean((1, 2)) * cm_per_pixel,
            "psnr_db": _psnr_db(predicted, maps),
            "preview_psnr_db": _psnr_db(images, targets),
            "preview_ssim": torch.tensor([_ssim(*pair) for pair in zip(images, targets, strict=True)]),
        }
        if distance.perceptual is not None:
            batch[distance.perceptual.name] = distance.perceptual_term(logits, maps)
        totals += torch.tensor([float(batch[name].sum()) for name in names], dtype=torch.float64)
    means = totals.to(device)
    share.average([means])
    return {name: mean * share.size / len(data) for name, mean in zip(names, means.tolist(), strict=True)}


def _peak_error_px(predicted: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Distance (B, V, 23) between the brightest pixels of two stacks of maps (B, V, 23, s, s)."""
    size = maps.shape[-1]
    peak, target = predicted.flatten(3).argmax(3), maps.flatten(3).argmax(3)
    return torch.hypot((peak // size - target // size).float(), (peak % size - target % size).float())


def _psnr_db(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B,) for values in [0, 1], from the error over all other axes."""
    return -10 * (images - targets).square().flatten(1).mean(1).clamp_min(1e-10).log10()


def _ssim(images: torch.Tensor, targets: torch.Tensor) -> float:
    """Mean structural similarity over the views of (V, 3, s, s)."""
    values = [
        structural_similarity(image, target, channel_axis=0, data_range=1.0)  # type: ignore[no-untyped-call]
        for image, target in zip(images.cpu().numpy(), targets.cpu().numpy(), strict=True)
    ]
    return float(np.mean(values))
