"""How well the maps are read: Table 3's three measures, and the error per joint and view."""

from __future__ import annotations

from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.geometry.skeleton import JOINT_NAMES
from drpose_ray.picture_quality import as_one_picture, psnr_db, ssim
from drpose_ray.reward.joint_errors import peak_errors_cm, soft_errors_cm
from drpose_ray.reward.report.intervals import Estimate, mean_of
from drpose_ray.reward.report.reader import Reader
from drpose_ray.reward.skeleton_maps import compose_preview

PAPER_TABLE_3: Final = {
    "THuman2.1-test": (22.4807, 0.9337, 0.0580),
    "CustomHumans-test": (24.4081, 0.9536, 0.0430),
}
"""PSNR, SSIM, LPIPS of the paper's predictor on real scans, with PSHuman's VAE at 768 px."""


class Reading(BaseModel):
    """Quality of the maps of one split, all views."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    psnr_db: Estimate = Field(description="of the 23 channels composed in colours, as in Fig. 10 (higher is better)")
    ssim: Estimate = Field(description="of the same pictures (higher is better)")
    perceptual: Estimate | None = Field(description="of the same pictures, under its own name (lower is better)")
    channels_psnr_db: Estimate = Field(description="of the 23 channels as they are")
    pose_score: Estimate = Field(description="Eq. 1 at the true pose")
    soft_error_cm: Estimate = Field(description="in-plane distance of a map's sharpened centre of mass from its joint")
    peak_error_cm: Estimate = Field(description="the same of its brightest pixel")
    pixel_cm: float = Field(description="mean size of a map's pixel")
    soft_error_cm_by_joint: dict[str, float] = Field(description="mean over people and views")
    soft_error_cm_by_view: dict[str, float] = Field(description="mean over people and joints")


def measure_reading(reader: Reader, people: PosedPeople, logits: torch.Tensor) -> tuple[Reading, torch.Tensor]:
    """The numbers, and the soft errors (N, V, 23) in cm behind them, of ``logits`` (N, V, 23, s, s)."""
    maps, drawn = logits.sigmoid(), reader.draw(people)
    pictures, targets = compose_preview(maps), compose_preview(drawn)
    where = people.joints, people.center, people.width_m
    soft, peak = soft_errors_cm(maps, *where), peak_errors_cm(maps, *where)
    perceptual = None
    if reader.distance.perceptual is not None:
        perceptual = mean_of(reader.perceptual(logits, drawn))
    reading = Reading(
        psnr_db=mean_of(psnr_db(as_one_picture(pictures), as_one_picture(targets))),
        ssim=mean_of(ssim(pictures, targets).mean(1)),
        perceptual=perceptual,
        channels_psnr_db=mean_of(psnr_db(as_one_picture(maps), as_one_picture(drawn))),
        pose_score=mean_of(reader.score(logits, drawn)),
        soft_error_cm=mean_of(soft.mean((1, 2))),
        peak_error_cm=mean_of(peak.mean((1, 2))),
        pixel_cm=100 * float(people.width_m.mean()) / reader.map_size,
        soft_error_cm_by_joint=dict(zip(JOINT_NAMES, soft.mean((0, 1)).tolist(), strict=True)),
        soft_error_cm_by_view=dict(zip(VIEW_NAMES, soft.mean((0, 2)).tolist(), strict=True)),
    )
    return reading, soft
