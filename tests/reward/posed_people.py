"""Upright stick people with random limbs, and a stand-in for the VAE: small, free of files, not mirror-symmetric."""

from __future__ import annotations

import torch

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.geometry.skeleton import NUM_JOINTS, PARENTS
from drpose_ray.reward.skeleton_maps import compose_preview, render_skeleton_maps

AZIMUTHS_DEG = torch.tensor(VIEW_AZIMUTHS_DEG)

# Offset in metres of each joint from its parent, standing with the arms spread.
_REST_OFFSETS = torch.tensor([
    (0, 0, 0), (0.09, -0.08, 0), (-0.09, -0.08, 0), (0, 0.12, 0), (0, -0.4, 0), (0, -0.4, 0), (0, 0.13, 0),
    (0, -0.4, 0), (0, -0.4, 0), (0, 0.06, 0), (0, -0.05, 0.13), (0, -0.05, 0.13), (0, 0.2, 0), (0.06, 0.12, 0),
    (-0.06, 0.12, 0), (0, 0.1, 0), (0.1, 0.03, 0), (-0.1, 0.03, 0), (0.26, 0, 0), (-0.26, 0, 0), (0.25, 0, 0),
    (-0.25, 0, 0), (0, -0.02, 0.06),
])  # fmt: skip


def draw_joints(num: int, seed: int = 0, spread_m: float = 0.12) -> torch.Tensor:
    """Joints (num, 23, 3) in metres."""
    generator = torch.Generator().manual_seed(seed)
    offsets = _REST_OFFSETS + spread_m * torch.randn(num, NUM_JOINTS, 3, generator=generator)
    joints = torch.zeros(num, NUM_JOINTS, 3)
    for joint, parent in enumerate(PARENTS):
        joints[:, joint] = joints[:, parent] + offsets[:, joint]
    return joints


def frame_joints(joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Frame centre (B, 3) and width (B,) around people, as the rig would choose them."""
    low, high = joints.amin(1), joints.amax(1)
    return (low + high) / 2, 1.1 * torch.linalg.vector_norm(high - low, dim=-1)


def draw_maps(joints: torch.Tensor, size: int = 32) -> torch.Tensor:
    """R(J(theta)) in the six views, framed."""
    return render_skeleton_maps(joints, *frame_joints(joints), AZIMUTHS_DEG, size)


def draw_images(joints: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 images (B, M, V, 3, size, size) on white that show the limbs in their colours, in both domains."""
    preview = 255 * (1 - compose_preview(draw_maps(joints, size)))
    return torch.stack([preview, preview], 1).round().to(torch.uint8)


def draw_latents(joints: torch.Tensor, size: int = 8) -> torch.Tensor:
    """Latents (B, M, V, 4, size, size) float16: a fixed mixture of a coarse picture's colours."""
    mixture = torch.randn(4, 3, generator=torch.Generator().manual_seed(7))
    coarse = torch.nn.functional.avg_pool2d(compose_preview(draw_maps(joints, 4 * size)).flatten(0, 1), 4)
    latents = torch.einsum("ck,nkhw->nchw", mixture, coarse).unflatten(0, (len(joints), len(AZIMUTHS_DEG)))
    return torch.stack([latents, -latents], 1).half()
