"""How far joints are from where they should be: in space, and in the image plane as a map shows them. Centimetres."""

from __future__ import annotations

import torch

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project

_SHARPNESS = 8.0  # power of the map whose centre of mass is taken: the blob counts, the limb hardly does


def mean_distance_cm(joints: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Mean distance of joints, (..., J, 3) metres -> (...), without any alignment."""
    distances: torch.Tensor = 100 * (joints - others).norm(dim=-1).mean(-1)
    return distances


def pelvis_aligned_error_cm(joints: torch.Tensor, true_joints: torch.Tensor) -> torch.Tensor:
    """Mean distance after the pelvises are aligned, (..., 23, 3) metres -> (...).

    The pelvis itself is left out: aligned, it would count as one perfect joint.
    """
    return mean_distance_cm(*(each[..., 1:, :] - each[..., :1, :] for each in (joints, true_joints)))


def peak_errors_cm(
    maps: torch.Tensor, joints: torch.Tensor, center: torch.Tensor, width_m: torch.Tensor
) -> torch.Tensor:
    """Distance (N, V, 23) of the brightest pixel's centre from the projected joint; a pixel limits it from below.

    Args:
        maps: (N, V=6, 23, s, s).
        joints: (N, 23, 3) metres.
        center: (N, 3) metres, shown at the image centre.
        width_m: (N,) metres shown across the image.
    """
    size = maps.shape[-1]
    peak = maps.flatten(3).argmax(3)
    return _errors_cm((torch.stack([peak % size, peak // size], -1) + 0.5) / size, joints, center, width_m)


def soft_errors_cm(
    maps: torch.Tensor, joints: torch.Tensor, center: torch.Tensor, width_m: torch.Tensor
) -> torch.Tensor:
    """As ``peak_errors_cm``, of the sharpened map's centre of mass: finer than a pixel, and smooth in the map."""
    size = maps.shape[-1]
    centres = (torch.arange(size, dtype=maps.dtype, device=maps.device) + 0.5) / size
    weights = maps / maps.amax((-2, -1), keepdim=True).clamp_min(1e-6)
    weights = weights**_SHARPNESS
    weights = weights / weights.sum((-2, -1), keepdim=True)
    found = torch.stack([(weights.sum(-2) * centres).sum(-1), (weights.sum(-1) * centres).sum(-1)], -1)
    return _errors_cm(found, joints, center, width_m)


def _errors_cm(found: torch.Tensor, joints: torch.Tensor, center: torch.Tensor, width_m: torch.Tensor) -> torch.Tensor:
    true = project(joints, center, width_m, torch.tensor(VIEW_AZIMUTHS_DEG, device=joints.device))
    errors: torch.Tensor = 100 * width_m[:, None, None] * (found - true).norm(dim=-1)
    return errors
