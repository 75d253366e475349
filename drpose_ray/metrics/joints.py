"""How far from a joint its map says it is, in the image plane."""

from __future__ import annotations

import torch

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project

_SHARPNESS = 8.0  # power of the map whose centre of mass is taken: the blob counts, the limb hardly does


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
