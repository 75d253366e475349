"""How well the maps are read: Table 3's three measures, and the error per joint and view."""

from __future__ import annotations

from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.intervals import mean_of
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.geometry.skeleton import JOINT_NAMES
from drpose_ray.metrics.intervals import Interval
from drpose_ray.metrics.joints import soft_errors_cm
from drpose_ray.reward.measure import measure_maps

PAPER_TABLE_3: Final = {
    "THuman2.1-test": (22.4807, 0.9337, 0.0580),
    "CustomHumans-test": (24.4081, 0.9536, 0.0430),
}
"""PSNR, SSIM, LPIPS of the paper's predictor on real scans, with PSHuman's VAE at 768 px."""


class MapQuality(BaseModel):
    """Quality of the maps of one split, all views."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    psnr_db: Interval = Field(description="of the 23 channels composed in colours, as in Fig. 10 (higher is better)")
    ssim: Interval = Field(description="of the same pictures (higher is better)")
    perceptual: Interval | None = Field(description="of the same pictures, under its own name (lower is better)")
    channels_psnr_db: Interval = Field(description="of the 23 channels as they are")
    pose_score: Interval = Field(description="Eq. 1 at the true pose")
    soft_error_cm: Interval = Field(description="in-plane distance of a map's sharpened centre of mass from its joint")
    peak_error_cm: Interval = Field(description="the same of its brightest pixel")
    pixel_cm: float = Field(description="mean size of a map's pixel")
    soft_error_cm_by_joint: dict[str, float] = Field(description="mean over people and views")
    soft_error_cm_by_view: dict[str, float] = Field(description="mean over people and joints")


def measure_map_quality(
    predictor: ScoredPredictor, people: PosedPeople, logits: torch.Tensor
) -> tuple[MapQuality, torch.Tensor]:
    """The numbers, and the soft errors (N, V, 23) in cm behind them, of ``logits`` (N, V, 23, s, s)."""
    maps, drawn = logits.sigmoid(), predictor.draw(people)
    where = people.joints, people.center, people.width_m
    soft = soft_errors_cm(maps, *where)
    perceptual = None
    if predictor.distance.perceptual is not None:
        perceptual = mean_of(predictor.perceptual(logits, drawn))
    quality = MapQuality(
        perceptual=perceptual,
        pose_score=mean_of(predictor.score(logits, drawn)),
        soft_error_cm=mean_of(soft.mean((1, 2))),
        pixel_cm=100 * float(people.width_m.mean()) / predictor.map_size,
        soft_error_cm_by_joint=dict(zip(JOINT_NAMES, soft.mean((0, 1)).tolist(), strict=True)),
        soft_error_cm_by_view=dict(zip(VIEW_NAMES, soft.mean((0, 2)).tolist(), strict=True)),
        **{name: mean_of(values) for name, values in measure_maps(maps, drawn, *where).items()},
    )
    return quality, soft
