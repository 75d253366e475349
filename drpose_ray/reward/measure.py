"""How well a skeleton predictor reads latents: the reward itself, and the measures of Table 3."""

from __future__ import annotations

import torch

from drpose_ray.core.training.data_parallel import ALONE, DataParallel
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.metrics.images import as_one_picture, psnr_db, ssim
from drpose_ray.metrics.joints import peak_errors_cm
from drpose_ray.reward.distance import SkeletonDistance, cross_entropy_excess
from drpose_ray.reward.fit.latent_poses import LatentPoses
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import compose_preview

_MEASURES = ("pose_score", "cross_entropy", "peak_error_cm", "channels_psnr_db", "psnr_db", "ssim")
_AT_ONCE = 16


@torch.no_grad()
def measure_predictor(
    predictor: SkeletonPredictor, distance: SkeletonDistance, data: LatentPoses, share: DataParallel = ALONE
) -> dict[str, float]:
    """Quality on clean latents of all views. Each process of ``share`` measures every size-th row, or none if there are
    fewer; all get the means.

    ``pose_score`` (Eq. 1), ``cross_entropy``, those of ``measure_maps``, and the perceptual distance by its own name.
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
        shown = data.people.rows(rows).to(device)
        batch = {
            "pose_score": -distance(logits, maps),
            "cross_entropy": cross_entropy_excess(logits, maps),
            **measure_maps(logits.sigmoid(), maps, shown.joints, shown.center, shown.width_m),
        }
        if distance.perceptual is not None:
            batch[distance.perceptual.name] = distance.perceptual_term(logits, maps)
        totals += torch.tensor([float(batch[name].sum()) for name in names], dtype=torch.float64)
    means = totals.to(device)
    share.average([means])
    return {name: mean * share.size / len(data) for name, mean in zip(names, means.tolist(), strict=True)}


def measure_maps(
    predicted: torch.Tensor, maps: torch.Tensor, joints: torch.Tensor, center: torch.Tensor, width_m: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Quality of skeleton maps: measure -> a number (N,) for each person.

    ``peak_error_cm``, in-plane distance of a map's brightest pixel from the joint (its floor is about .4 pixels);
    ``psnr_db`` and ``ssim`` of the channels composed in colours (the measures of Table 3, whose composition is not
    stated), and ``channels_psnr_db`` of themselves.

    Args:
        predicted, maps: (N, V=6, 23, s, s) in [0, 1], as read and as drawn.
        joints, center, width_m: of the people and their frames, as ``metrics.joints.peak_errors_cm`` takes them.
    """
    images, targets = compose_preview(predicted), compose_preview(maps)
    return {
        "peak_error_cm": peak_errors_cm(predicted, joints, center, width_m).mean((1, 2)),
        "channels_psnr_db": psnr_db(as_one_picture(predicted), as_one_picture(maps)),
        "psnr_db": psnr_db(as_one_picture(images), as_one_picture(targets)),
        "ssim": ssim(images, targets).mean(1),
    }
