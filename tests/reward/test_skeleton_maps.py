from __future__ import annotations

import pytest
import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.geometry.cameras import project
from drpose_ray.geometry.skeleton import JOINT_NAMES, MIRROR, NUM_JOINTS, PARENTS
from drpose_ray.reward.skeleton_maps import (
    JOINT_COLORS,
    compose_preview,
    render_skeleton_maps,
    render_skeleton_maps_windowed,
    target_maps,
    truncation_bound,
)
from tests.reward.posed_people import AZIMUTHS_DEG, draw_joints, draw_maps, frame_joints


@pytest.mark.parametrize("size", [32, 96])
def test_each_channel_is_brightest_where_the_camera_projects_its_joint(size: int) -> None:
    joints = draw_joints(4)
    center, width = frame_joints(joints)
    maps = render_skeleton_maps(joints, center, width, AZIMUTHS_DEG, size)
    assert maps.shape == (4, 6, NUM_JOINTS, size, size)
    assert maps.min() >= 0 and maps.max() <= 1
    peak = maps.flatten(3).argmax(3)
    peak_px = torch.stack([peak % size, peak // size], -1) + 0.5
    truth_px = project(joints, center, width, AZIMUTHS_DEG) * size
    # The neighbouring bone pulls the peak a little along the limb; half a pixel is the grid's own error.
    assert (peak_px - truth_px).abs().max() <= 1.0


def test_the_limb_is_drawn_from_the_parent_and_only_in_its_own_channel() -> None:
    joints = draw_joints(1)
    center, width = frame_joints(joints)
    size, elbow = 96, JOINT_NAMES.index("left_elbow")
    maps = render_skeleton_maps(joints, center, width, AZIMUTHS_DEG[:1], size)[0, 0]
    ends = project(joints, center, width, AZIMUTHS_DEG[:1])[0, 0] * size
    middle = ((ends[elbow] + ends[PARENTS[elbow]]) / 2).long()
    assert maps[elbow, middle[1], middle[0]] > 0.4
    assert maps[JOINT_NAMES.index("right_elbow"), middle[1], middle[0]] < 0.01


def test_maps_are_differentiable_in_every_joint() -> None:
    joints = draw_joints(1).double().requires_grad_()
    center, width = (t.double().detach() for t in frame_joints(joints))

    def draw(some: torch.Tensor) -> torch.Tensor:
        return render_skeleton_maps(some, center, width, AZIMUTHS_DEG[:2].double(), 12)

    assert torch.autograd.gradcheck(draw, (joints,), atol=1e-6, fast_mode=True)
    draw(joints).square().sum().backward()
    assert (joints.grad.abs().sum(-1) > 0).all()


def test_a_limb_seen_end_on_has_finite_gradients() -> None:
    joints = torch.zeros(1, NUM_JOINTS, 3, requires_grad=True)
    maps = render_skeleton_maps(joints, torch.zeros(1, 3), torch.ones(1), AZIMUTHS_DEG, 16)
    maps.sum().backward()
    assert torch.isfinite(maps).all() and torch.isfinite(joints.grad).all()


@pytest.mark.parametrize("reach_sigmas", [3.0, 4.0])
def test_windowed_maps_equal_plain_ones_up_to_truncation(reach_sigmas: float) -> None:
    joints = draw_joints(2)
    joints[1] += 0.8  # a person half outside the frame
    center, width = frame_joints(draw_joints(2))
    plain = render_skeleton_maps(joints, center, width, AZIMUTHS_DEG, 96)
    windowed = render_skeleton_maps_windowed(joints, center, width, AZIMUTHS_DEG, 96, reach_sigmas)
    assert (plain - windowed).abs().max() <= truncation_bound(reach_sigmas)
    assert truncation_bound(4.0) < 4e-4


def test_target_maps_are_constants_plain_when_small_and_windowed_when_large() -> None:
    joints = draw_joints(2).requires_grad_()
    center, width = frame_joints(joints.detach())
    people = PosedPeople(joints, center, width)
    small, large = (target_maps(people, size) for size in (32, 96))
    assert not small.requires_grad and not large.requires_grad
    assert torch.equal(small, render_skeleton_maps(joints, center, width, AZIMUTHS_DEG, 32))
    assert torch.equal(large, render_skeleton_maps_windowed(joints, center, width, AZIMUTHS_DEG, 96))
    assert torch.equal(target_maps(people, 32, torch.tensor([4, 1])), small[:, [4, 1]])


def test_mirrored_joints_give_mirrored_channels() -> None:
    joints = draw_joints(2)
    mirrored = joints[:, list(MIRROR)] * torch.tensor([-1.0, 1.0, 1.0])
    center, width = frame_joints(joints)
    maps = render_skeleton_maps(joints, center, width, AZIMUTHS_DEG, 32)
    reflected = render_skeleton_maps(mirrored, center * torch.tensor([-1.0, 1.0, 1.0]), width, -AZIMUTHS_DEG, 32)
    torch.testing.assert_close(reflected, maps[:, :, list(MIRROR)].flip(-1), atol=1e-4, rtol=0)


def test_preview_shows_each_joint_in_a_color_of_its_own() -> None:
    assert len(set(JOINT_COLORS)) == NUM_JOINTS
    preview = compose_preview(draw_maps(draw_joints(2)))
    assert preview.shape == (2, 6, 3, 32, 32)
    assert preview.min() >= 0 and preview.max() <= 1
    only_one = torch.zeros(NUM_JOINTS, 1, 1)
    only_one[5] = 1
    torch.testing.assert_close(compose_preview(only_one)[:, 0, 0], torch.tensor(JOINT_COLORS[5]))
