"""How far from a joint its map says it is, in the image plane."""

from __future__ import annotations

import torch

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project
from drpose_ray.reward.report.people import People

_SHARPNESS = 8.0  # power of the map whose centre of mass is taken: the blob counts, the limb hardly does


def peak_errors_cm(maps: torch.Tensor, people: People, joints: torch.Tensor | None = None) -> torch.Tensor:
    """Distance (N, V, 23) of the brightest pixel's centre from the projected joint; a pixel limits it from below."""
    size = maps.shape[-1]
    peak = maps.flatten(3).argmax(3)
    return _errors_cm((torch.stack([peak % size, peak // size], -1) + 0.5) / size, people, joints)


def soft_errors_cm(maps: torch.Tensor, people: People, joints: torch.Tensor | None = None) -> torch.Tensor:
    """Distance (N, V, 23) of the sharpened map's centre of mass; finer than a pixel, and smooth in the map."""
    size = maps.shape[-1]
    centres = (torch.arange(size, dtype=maps.dtype) + 0.5) / size
    weights = maps / maps.amax((-2, -1), keepdim=True).clamp_min(1e-6)
    weights = weights**_SHARPNESS
    weights = weights / weights.sum((-2, -1), keepdim=True)
    return _errors_cm(
        torch.stack([(weights.sum(-2) * centres).sum(-1), (weights.sum(-1) * centres).sum(-1)], -1), people, joints
    )


def _errors_cm(found: torch.Tensor, people: People, joints: torch.Tensor | None) -> torch.Tensor:
    shown = people.joints if joints is None else joints
    true = project(shown, people.center, people.width_m, torch.tensor(VIEW_AZIMUTHS_DEG))
    errors: torch.Tensor = 100 * people.width_m[:, None, None] * (found - true).norm(dim=-1)
    return errors
