"""Small closed meshes with known shapes."""

from __future__ import annotations

import torch
from torch import Tensor


def cube(side: float = 1.0) -> tuple[Tensor, Tensor]:
    """12 faces around the origin."""
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3) * side
    x = torch.tensor([[4, 6, 7], [4, 7, 5], [0, 1, 3], [0, 3, 2]])
    y = torch.tensor([[2, 3, 7], [2, 7, 6], [0, 4, 5], [0, 5, 1]])
    z = torch.tensor([[1, 5, 7], [1, 7, 3], [0, 2, 6], [0, 6, 4]])
    return corners, torch.cat([x, y, z])


def sphere(rings: int, radius: float = 1.0) -> tuple[Tensor, Tensor]:
    """``4 * rings * (rings - 1)`` faces; poles on the y axis."""
    steps = 2 * rings
    theta = torch.arange(1, rings, dtype=torch.float64) * (torch.pi / rings)
    phi = torch.arange(steps, dtype=torch.float64) * (2 * torch.pi / steps)
    t, p = torch.meshgrid(theta, phi, indexing="ij")
    around = torch.stack([t.sin() * p.sin(), t.cos(), t.sin() * p.cos()], -1).reshape(-1, 3)
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
    here = torch.arange(len(around)).view(rings - 1, steps)
    after = here.roll(-1, 1)
    top, bottom = torch.full_like(here[0], len(around)), torch.full_like(here[0], len(around) + 1)
    faces = [torch.stack([top, here[0], after[0]], -1), torch.stack([bottom, after[-1], here[-1]], -1)]
    faces.append(torch.stack([here[:-1], here[1:], after[1:]], -1).reshape(-1, 3))
    faces.append(torch.stack([here[:-1], after[1:], after[:-1]], -1).reshape(-1, 3))
    return (radius * torch.cat([around, poles])).float(), torch.cat(faces)


def soup(seed: int, size: float, num_faces: int = 14) -> tuple[Tensor, Tensor]:
    """Faces of random vertices in and around a square from 0 to ``size``, some of which they share; open, crossing."""
    random = torch.Generator().manual_seed(seed)
    vertices = (torch.rand(18, 3, generator=random) * 1.4 - 0.2) * size
    vertices[:, 2] -= size / 2
    return vertices, torch.stack([torch.randperm(18, generator=random)[:3] for _ in range(num_faces)])
