from __future__ import annotations

import torch

from drpose_ray.evaluation.judges.blazepose.triangulate import triangulate
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project

AZIMUTHS = torch.tensor(VIEW_AZIMUTHS_DEG)


def seen_joints() -> tuple[torch.Tensor, torch.Tensor]:
    """Joints (2, 5, 3) and where the six views show them; the frame is the unit cube."""
    joints = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    return joints, project(joints, torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, dtype=torch.float64), AZIMUTHS)


def test_exact_views_give_the_joints_back() -> None:
    joints, points = seen_joints()
    positions, missed = triangulate(points, torch.ones(2, 6, 5, dtype=torch.float64), AZIMUTHS)
    torch.testing.assert_close(positions, joints)
    assert missed.max() < 1e-9


def test_a_view_that_is_wrong_is_outvoted_and_told() -> None:
    joints, points = seen_joints()
    points[0, 2] += 0.2
    positions, missed = triangulate(points, torch.ones(2, 6, 5, dtype=torch.float64), AZIMUTHS)
    assert (positions - joints).abs().max() < 0.01
    assert missed[0, 2].min() > 0.2 > 10 * missed[0, [0, 1, 3, 4, 5]].max()


def test_what_the_views_do_not_determine_is_not_a_number() -> None:
    _, points = seen_joints()
    weights = torch.zeros(2, 6, 5, dtype=torch.float64)
    weights[0, [0, 3]] = 1  # front and back: no depth; of the second person nothing
    positions, missed = triangulate(points, weights, AZIMUTHS)
    assert positions.isnan().all() and missed.isfinite().all()
