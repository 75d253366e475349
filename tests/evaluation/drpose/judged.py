"""Constructed judgements: tables with known changes between models."""

from __future__ import annotations

import numpy as np
import torch

from drpose_ray.evaluation.drpose.claims import BASE, CEILING, DRPOSE, NO_KL
from drpose_ray.evaluation.drpose.report import Example
from drpose_ray.evaluation.evaluate_model import METRICS, PoseTable

NUM_POSES = 40
FIXED_MASK_IOU = np.full(NUM_POSES, 0.5)
LEVELS = {
    "pose_score": -0.48, "mpjpe_cm": 20.0, "iou": 0.6, "iou_normal": 0.58, "iou_colour": 0.62, "normal_error_deg": 50.0,
    "normal_angle_deg": 35.0,
    "psnr_normal_db": 20.0, "psnr_colour_db": 18.0, "ssim_normal": 0.85, "ssim_colour": 0.84, "mask_agreement": 0.7,
    "sharpness": 0.3,
}  # fmt: skip


def make_table(model: str, pose_set: str, **changes: float) -> PoseTable:
    """Poses of the same spread for every model; each metric in ``changes`` moves by about that much on every pose."""
    poses, noise = np.random.default_rng(1), np.random.default_rng(len(model))
    values = {
        metric.key: LEVELS[metric.key] * (1 + 0.1 * poses.standard_normal(NUM_POSES))
        + changes.get(metric.key, 0.0) * (1 + 0.2 * noise.standard_normal(NUM_POSES))
        for metric in METRICS
    }
    names = tuple(f"window{i:02d}" for i in range(NUM_POSES))
    return PoseTable(model, pose_set, names, names, values)


def make_judgement() -> dict[str, dict[str, PoseTable]]:
    """What a run that shows every claim looks like."""
    collapse = {"iou": -0.3, "iou_normal": -0.4, "iou_colour": -0.2, "psnr_normal_db": -5.0, "normal_angle_deg": 20.0}
    challenging = [
        make_table(CEILING, "challenging", pose_score=0.3, mpjpe_cm=-15.0),
        make_table(BASE, "challenging"),
        make_table(DRPOSE, "challenging", pose_score=0.12, mpjpe_cm=-2.5, iou=0.01, psnr_colour_db=0.7),
        make_table(NO_KL, "challenging", pose_score=0.2, mpjpe_cm=0.0, **collapse),
    ]
    standing = [
        make_table(CEILING, "standing", psnr_colour_db=8.0),
        make_table(BASE, "standing"),
        make_table(DRPOSE, "standing", psnr_colour_db=-0.3, ssim_normal=-0.01),
        make_table(NO_KL, "standing", **collapse),
    ]
    return {
        name: {t.model: t for t in tables} for name, tables in (("challenging", challenging), ("standing", standing))
    }


def make_example(sample_id: str) -> Example:
    """Noise in the shape of one pose to look at."""
    rng = torch.Generator().manual_seed(0)
    images = {model: torch.rand(2, 6, 3, 12, 12, generator=rng) for model in (BASE, DRPOSE, NO_KL)}
    maps = torch.rand(6, 23, 4, 4, generator=rng)
    return Example(sample_id, torch.rand(3, 12, 12), images[BASE], images, maps, dict.fromkeys(images, maps))
