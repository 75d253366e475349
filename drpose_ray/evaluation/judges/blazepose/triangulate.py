"""Points in space from where orthographic views of known azimuth show them, though some views are wrong."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

_ROUNDS: Final = 20
_DOUBTED: Final = 0.02  # frame widths: a view that misses by this much counts half
_FLAT: Final = 1e-2  # least weight of the weakest direction seen from above: below it, depth is a guess


def triangulate(
    points: Float[Tensor, "N V J 2"], weights: Float[Tensor, "N V J"], azimuths_deg: Float[Tensor, " V"]
) -> tuple[Float[Tensor, "N J 3"], Float[Tensor, "N V J"]]:
    """Iteratively reweighted least squares (Cauchy's weights, from the plain solution).

    Args:
        points: as ``geometry.cameras.project`` gives them, in frame units; any number where the weight is 0.
        weights: 0 where a view says nothing of a joint, at most 1.
        azimuths_deg: of the views.

    Returns:
        Positions relative to the frame's centre in frame units, NaN where the views with weight do not determine
        one, and how far each view's point is from them, in frame units.
    """
    a = torch.deg2rad(azimuths_deg.to(points))[:, None]
    across = torch.stack([torch.cos(a), -torch.sin(a)], -1)  # (V, 1, 2): image x of world x and z
    u, height = points[..., 0] - 0.5, 0.5 - points[..., 1]
    trust = weights
    for _ in range(_ROUNDS):
        flat = (trust[..., None, None] * across[..., :, None] * across[..., None, :]).sum(1)
        known = torch.linalg.eigvalsh(flat)[..., 0] > _FLAT
        solvable = torch.where(known[..., None, None], flat, torch.eye(2, dtype=flat.dtype, device=flat.device))
        ground = torch.linalg.solve(solvable, (trust[..., None] * across * u[..., None]).sum(1))
        up = (trust * height).sum(1) / trust.sum(1).clamp_min(1e-9)
        missed = torch.hypot(u - (across * ground[:, None]).sum(-1), height - up[:, None])
        trust = weights / (1 + (missed / _DOUBTED) ** 2)
    positions = torch.stack([ground[..., 0], up, ground[..., 1]], -1)
    return torch.where(known[..., None], positions, torch.nan), missed
