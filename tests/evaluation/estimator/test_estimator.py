from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.estimator.estimator import PoseEstimator, shrink_images
from drpose_ray.evaluation.estimator.estimator_config import EstimatorConfig, EstimatorFitSettings
from drpose_ray.evaluation.estimator.fit_estimator import fit_estimator, relative_joints
from drpose_ray.metrics.joints import pelvis_aligned_error_cm
from drpose_ray.reward.config import PredictorConfig
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.reward.posed_people import draw_images, draw_joints, frame_joints

CONFIG = EstimatorConfig(input_size=24, channels=(16, 24, 32), view_features=32, hidden=64)
SETTINGS = EstimatorFitSettings(
    updates=100, samples_per_update=8, validation_samples=16, validate_every=20, warmup_updates=3
)


NOTHING = torch.empty(0)


@pytest.fixture(scope="module")
def data() -> PosedPeople:
    # Arms and legs that swing together: something 100 updates can learn.
    joints = draw_joints(1, spread_m=0).repeat(96, 1, 1)
    joints += torch.randn(96, 1, 3, generator=torch.Generator().manual_seed(0)) * joints.abs() * 0.4
    return PosedPeople(joints, *frame_joints(joints), images=draw_images(joints, 24))


def fit(
    data: PosedPeople, seed: int = 0, softened: torch.Tensor = NOTHING, **changes: object
) -> tuple[PoseEstimator, list[Mapping[str, float]]]:
    seen: list[Mapping[str, float]] = []
    settings = SETTINGS.model_copy(update=changes)
    return fit_estimator(data, CONFIG, settings, seed, lambda _, metrics: seen.append(metrics), softened=softened), seen


def test_a_short_fit_reads_poses_better_than_the_mean_pose(data: PosedPeople) -> None:
    _, seen = fit(data)
    held_out = data.joints[-16:]
    mean_pose = (relative_joints(data)[:-16].mean(0) * data.width_m[-16:, None, None]).to(held_out)
    blind = float(pelvis_aligned_error_cm(mean_pose, held_out).mean())
    assert seen[-1]["validation_mpjpe_cm"] < 0.8 * blind
    assert seen[-1]["loss"] < seen[0]["loss"]


def test_same_seed_same_weights(data: PosedPeople) -> None:
    first, second = (fit(data, updates=3, validation_samples=0)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_softened_images_are_trained_on_and_measured(data: PosedPeople) -> None:
    softened = torch.full_like(data.images, 255)
    sharp, _ = fit(data, updates=3)
    soft, seen = fit(data, softened=softened, updates=3)
    assert not torch.equal(sharp.fuse[-1].weight, soft.fuse[-1].weight)
    assert "validation_softened_mpjpe_cm" in seen[-1]


def test_error_is_pelvis_aligned_centimetres_over_the_other_joints() -> None:
    joints = draw_joints(2)
    assert pelvis_aligned_error_cm(joints + 5.0, joints).abs().max() < 1e-3
    wrong = joints.clone()
    wrong[:, 5, 2] += 0.22
    torch.testing.assert_close(pelvis_aligned_error_cm(wrong, joints), torch.full((2,), 1.0))


def test_estimate_is_metric_and_takes_images_of_any_size_and_type() -> None:
    estimator = PoseEstimator(CONFIG).eval()
    images = draw_images(draw_joints(2), 48)
    small, large = (estimator.estimate(images, torch.full((2,), width)) for width in (1.0, 2.0))
    assert small.shape == (2, 23, 3)
    torch.testing.assert_close(large, 2 * small)
    as_float = estimator.estimate(images.float() / 255, torch.ones(2))
    torch.testing.assert_close(as_float, small)
    already_small = estimator.estimate(shrink_images(images, 24), torch.ones(2))
    torch.testing.assert_close(already_small, small)


def test_saved_estimator_reads_the_same_and_a_predictor_is_not_one(tmp_path: Path) -> None:
    estimator = PoseEstimator(CONFIG).eval()
    images, width = draw_images(draw_joints(1), 24), torch.ones(1)
    estimator.save(tmp_path / "estimator.safetensors")
    loaded = PoseEstimator.load(tmp_path / "estimator.safetensors")
    torch.testing.assert_close(loaded.estimate(images, width), estimator.estimate(images, width), atol=2e-3, rtol=0)
    SkeletonPredictor(PredictorConfig(channels=(8,))).save(tmp_path / "predictor.safetensors")
    with pytest.raises(InputError):
        PoseEstimator.load(tmp_path / "predictor.safetensors")


def test_small_estimator_stays_small() -> None:
    assert sum(p.numel() for p in PoseEstimator(EstimatorConfig()).parameters()) < 1.5e6


def test_images_without_six_views_are_refused(data: PosedPeople) -> None:
    with pytest.raises(InputError) as refused:
        fit(replace(data, images=data.images[:, :, :4]))
    assert refused.value.field == "images"
