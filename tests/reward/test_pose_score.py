from __future__ import annotations

import pytest
import torch
from torch import nn

from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from drpose_ray.reward.distance import SkeletonDistance, cross_entropy_excess
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.reward.posed_people import draw_joints, draw_maps


class Oracle(nn.Module):
    """Knows the pose whatever the latents show: answers with the logits of its maps."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.logit(maps, eps=1e-6)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.logits + 0 * latents.sum()


@pytest.fixture(scope="module")
def distance() -> SkeletonDistance:
    return SkeletonDistance(DistanceConfig(perceptual_size=32))


def test_true_pose_scores_zero_and_higher_than_perturbed_ones(distance: SkeletonDistance) -> None:
    joints = draw_joints(2)
    truth = draw_maps(joints)
    latents = torch.zeros(2, 2, 6, 4, 8, 8)
    best = PoseScore(Oracle(truth), distance)(latents, truth)
    assert best.shape == (2,)
    torch.testing.assert_close(best, torch.zeros(2), atol=1e-3, rtol=0)
    scores = [best]
    for amount_m in (0.05, 0.15):
        shifted = joints + amount_m * torch.randn(joints.shape, generator=torch.Generator().manual_seed(3))
        scores.append(PoseScore(Oracle(draw_maps(shifted)), distance)(latents, truth))
    assert (scores[0] > scores[1]).all() and (scores[1] > scores[2]).all()
    assert all((score <= 1e-6).all() for score in scores)


def test_swapping_left_and_right_costs_score(distance: SkeletonDistance) -> None:
    from drpose_ray.geometry.skeleton import MIRROR

    truth = draw_maps(draw_joints(1))
    latents = torch.zeros(2, 1, 6, 4, 8, 8)
    swapped = PoseScore(Oracle(truth[:, :, list(MIRROR)]), distance)(latents, truth)
    assert float(swapped) < -0.5


def test_gradient_reaches_the_latents_and_no_frozen_parameter(distance: SkeletonDistance) -> None:
    predictor = SkeletonPredictor(PredictorConfig(latent_size=8, map_size=16, channels=(16, 24)))
    score = PoseScore(predictor, distance)
    latents = torch.randn(2, 1, 6, 4, 8, 8, requires_grad=True)
    score(latents, draw_maps(draw_joints(1), 16)).sum().backward()
    assert (latents.grad.abs().amax((2, 3, 4, 5)) > 0).all(), "both domains and all objects matter"
    assert all(not p.requires_grad and p.grad is None for p in score.parameters())


def test_a_training_container_leaves_the_reward_in_evaluation_mode(distance: SkeletonDistance) -> None:
    score = PoseScore(SkeletonPredictor(PredictorConfig(latent_size=8, map_size=8, channels=(8,))), distance)
    nn.ModuleList([score]).train()
    assert not any(module.training for module in score.modules())


def test_cross_entropy_excess_has_the_plain_gradient_and_does_not_depend_on_map_size() -> None:
    joints = draw_joints(1)
    logits, maps = torch.randn(1, 6, 23, 32, 32, requires_grad=True), draw_maps(joints)
    (excess,) = torch.autograd.grad(cross_entropy_excess(logits, maps).sum(), logits)
    plain = nn.functional.binary_cross_entropy_with_logits(logits, maps, reduction="sum") / maps.sum()
    torch.testing.assert_close(excess, torch.autograd.grad(plain, logits)[0])
    shifted = joints + 0.1 * torch.randn(joints.shape, generator=torch.Generator().manual_seed(0))
    by_size = [
        cross_entropy_excess(torch.logit(draw_maps(shifted, size), eps=1e-3), draw_maps(joints, size)).item()
        for size in (96, 192)
    ]
    assert by_size[0] == pytest.approx(by_size[1], rel=0.15)
