from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.rewards import Ensemble, PoseReward, TargetMaps, WeightedSum
from tests.reward.posed_people import draw_joints, draw_latents, draw_maps, frame_joints


@dataclass(frozen=True)
class Brightness:
    """A reward with a known answer and a known slope."""

    slope: float

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
        return self.slope * latents_x0.mean((0, 2, 3, 4, 5)) + poses.width_m


POSES = PosedPeople(torch.zeros(3, 23, 3), torch.zeros(3, 3), torch.tensor([1.0, 2.0, 3.0]))


def test_a_sum_weighs_its_terms_and_tells_them_without_weight_or_graph() -> None:
    latents = torch.randn(2, 3, 6, 4, 8, 8, requires_grad=True)
    total, terms = WeightedSum({"a": Brightness(1.0), "b": Brightness(-4.0)}, {"a": 2.0, "b": 0.5}).score(
        latents, POSES
    )
    mean = latents.detach().mean((0, 2, 3, 4, 5))
    torch.testing.assert_close(total.detach(), 2.5 * POSES.width_m + 0 * mean)
    torch.testing.assert_close(terms["b"], -4 * mean + POSES.width_m)
    assert not any(value.requires_grad for value in terms.values())
    (gradient,) = torch.autograd.grad(total.sum(), latents)
    assert gradient.abs().max() < 1e-9, "2 x 1 and 0.5 x -4 pull against each other"


def test_an_ensemble_pays_less_where_its_members_disagree() -> None:
    latents = torch.tensor([0.0, 1.0, 2.0])[None, :, None, None, None, None].expand(2, 3, 6, 4, 8, 8)
    members = [Brightness(1.0), Brightness(3.0)]
    cautious, least = Ensemble(members, 1.0)(latents, POSES), Ensemble(members, None)(latents, POSES)
    mean, deviation = torch.tensor([0.0, 2.0, 4.0]) + POSES.width_m, torch.tensor([0.0, 1.0, 2.0])
    torch.testing.assert_close(cautious, mean - deviation, atol=1e-5, rtol=0)
    torch.testing.assert_close(least, torch.tensor([0.0, 1.0, 2.0]) + POSES.width_m)


@pytest.mark.parametrize("deviations", [1.0, None])
def test_members_that_agree_leave_a_finite_gradient(deviations: float | None) -> None:
    latents = torch.ones(2, 3, 6, 4, 8, 8, requires_grad=True)
    Ensemble([Brightness(1.0), Brightness(1.0)], deviations)(latents, POSES).sum().backward()
    torch.testing.assert_close(latents.grad, torch.full_like(latents, 1 / latents[:, 0].numel()))


def test_pose_score_as_a_part_is_pose_score() -> None:
    torch.manual_seed(0)
    joints = draw_joints(3)
    poses = PosedPeople(joints, *frame_joints(joints))
    score = PoseScore(
        SkeletonPredictor(PredictorConfig(latent_size=8, map_size=16, channels=(8,))),
        SkeletonDistance(DistanceConfig(perceptual_size=32)),
    )
    latents = draw_latents(joints).transpose(0, 1).float()
    expected = score(latents, draw_maps(joints, 16))
    assert torch.equal(PoseReward(score, 16, TargetMaps(torch.device("cpu")))(latents, poses), expected)


def test_maps_are_drawn_once_for_equal_poses_and_again_for_others() -> None:
    joints = draw_joints(2)
    poses, targets = PosedPeople(joints, *frame_joints(joints)), TargetMaps(torch.device("cpu"))
    drawn = targets.draw(poses, 16)
    again = PosedPeople(joints.clone(), poses.center.clone(), poses.width_m.clone())
    assert targets.draw(again, 16) is drawn and targets.draw(again, 8).shape[-1] == 8
    joints[0] += 0.1  # the poses that were drawn, changed in place
    moved = targets.draw(poses, 16)
    assert torch.equal(moved[1], drawn[1]) and not torch.equal(moved[0], drawn[0])
