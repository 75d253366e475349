from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch

from drpose_ray.errors import InputError
from drpose_ray.reward.averaged_adamw import OptimiserSettings, learning_rate
from drpose_ray.reward.config import DistanceConfig, PredictorConfig, PredictorFitSettings
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit_predictor import LatentPoses, fit_predictor
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.reward.posed_people import draw_joints, draw_latents, frame_joints

CONFIG = PredictorConfig(latent_size=8, map_size=16, channels=(16, 24))
SETTINGS = PredictorFitSettings(
    updates=30, samples_per_update=4, views_per_sample=2, validation_samples=6, validate_every=10, warmup_updates=3,
    learning_rate=5e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def data() -> LatentPoses:
    joints = draw_joints(24)
    return LatentPoses(draw_latents(joints), joints, *frame_joints(joints))


@pytest.fixture(scope="module")
def distance() -> SkeletonDistance:
    return SkeletonDistance(DistanceConfig(perceptual_size=32))


def fit(
    data: LatentPoses, distance: SkeletonDistance, seed: int = 0, **changes: object
) -> tuple[SkeletonPredictor, list[Mapping[str, float]]]:
    seen: list[Mapping[str, float]] = []
    settings = SETTINGS.model_copy(update=changes)
    return fit_predictor(data, CONFIG, distance, settings, seed, lambda _, metrics: seen.append(metrics)), seen


def test_thirty_updates_bring_held_out_maps_closer(data: LatentPoses, distance: SkeletonDistance) -> None:
    predictor, seen = fit(data, distance)
    validated = [metrics for metrics in seen if "validation_pose_score" in metrics]
    assert len(seen) == 30 and len(validated) == 3
    assert validated[-1]["validation_pose_score"] > validated[0]["validation_pose_score"]
    assert seen[-1]["cross_entropy"] < 0.7 * seen[0]["cross_entropy"]
    measures = ("psnr_db", "preview_psnr_db", "preview_ssim", "peak_error_cm", "random-feature distance")
    assert all(f"validation_{name}" in validated[-1] for name in measures)
    assert not any("lpips" in name for metrics in seen for name in metrics)
    assert not predictor.training and not any(p.requires_grad for p in predictor.parameters())


def test_same_seed_same_weights_and_another_seed_others(data: LatentPoses, distance: SkeletonDistance) -> None:
    first, second, other = (
        fit(data, distance, seed, updates=3, validation_samples=0)[0].state_dict() for seed in (0, 0, 1)
    )
    torch.rand(3)  # the caller's random numbers are not the fit's
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_held_out_people_are_never_trained_on(data: LatentPoses, distance: SkeletonDistance) -> None:
    spoiled = LatentPoses(data.latents.clone(), data.joints_world, data.center_world, data.width_m)
    spoiled.latents[-SETTINGS.validation_samples :] = torch.nan
    predictor, seen = fit(spoiled, distance, updates=9)
    assert all(torch.isfinite(p).all() for p in predictor.parameters())
    assert all(metrics["cross_entropy"] == metrics["cross_entropy"] for metrics in seen)


def test_latents_of_another_size_are_refused_before_work(data: LatentPoses, distance: SkeletonDistance) -> None:
    wrong = LatentPoses(data.latents[..., :4], data.joints_world, data.center_world, data.width_m)
    with pytest.raises(InputError) as refused:
        fit(wrong, distance)
    assert refused.value.field == "latents"
    with pytest.raises(InputError) as refused:
        fit(data, distance, validation_samples=24)
    assert refused.value.field == "fit.validation_samples"


def test_learning_rate_warms_up_holds_and_falls_to_two_percent() -> None:
    settings = OptimiserSettings(updates=100, warmup_updates=9, cosine_tail=0.5, learning_rate=1.0)
    rates = [learning_rate(update, settings) for update in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[49] == 1.0
    assert rates[-1] == pytest.approx(0.02)
    assert all(a >= b for a, b in pairwise(rates[49:]))
