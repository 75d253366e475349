"""Angles between drawn and true normals. Images are in [0, 1], channels first; the leading axes are kept."""

from __future__ import annotations

from typing import Final

import torch

_NO_OVERLAP_ANGLE_DEG: Final = 90.0


def normal_angle_deg(normals: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean angle in degrees between normals stored as (n + 1) / 2, inside ``mask``.

    Args:
        normals, truth: (…, 3, h, w); both are normalised first, a generated normal need not have unit length.
        mask: (…, h, w) bool, usually the pixels where both images show the person.

    Returns:
        (…,); 90 degrees, the angle of knowing nothing, where ``mask`` is empty.
    """
    unit = torch.nn.functional.normalize(2 * normals.double() - 1, dim=-3)
    unit_truth = torch.nn.functional.normalize(2 * truth.double() - 1, dim=-3)
    angle = torch.rad2deg(torch.acos((unit * unit_truth).sum(-3).clamp(-1, 1)))
    count = mask.sum((-2, -1))
    mean = (angle * mask).sum((-2, -1)) / count.clamp(min=1)
    return torch.where(count > 0, mean, _NO_OVERLAP_ANGLE_DEG)


def normal_error_deg(
    normals: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor, truth_mask: torch.Tensor
) -> torch.Tensor:
    """Mean angle over the true silhouette, 90 degrees where ``mask`` misses it; shapes as ``normal_angle_deg``.

    The angle inside the overlap alone is measured where a model's own silhouette allows: whoever draws only the easy
    pixels looks good, whoever finds a hard limb is charged for it. This one is over the same pixels for every model.
    """
    overlap = mask & truth_mask
    covered = overlap.sum((-2, -1)).double() / truth_mask.sum((-2, -1)).clamp(min=1)
    return covered * normal_angle_deg(normals, truth, overlap) + (1 - covered) * _NO_OVERLAP_ANGLE_DEG
