"""The same z-buffer by nvdiffrast, where it is installed and there is CUDA: it finds the faces, the rest stays ours.

nvdiffrast is in no package index and under a licence of its own, for research. Its antialiasing is not used: it finds
edges by the triangle that a pixel shows, which loses most of a silhouette's gradient (``antialiasing``).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from drpose_ray.reconstruction.rasteriser.z_buffer import NO_FACE


@torch.no_grad()
def rasterise(
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
    facing: Bool[Tensor, "V T"],
    height: int,
    width: int,
) -> Int64[Tensor, "V H W"]:
    """As ``reconstruction.rasteriser.z_buffer.rasterise``.

    Which of two faces has a pixel on their common border, or at one depth, may differ.
    """
    view, face = facing.nonzero().T
    if not len(face):
        return torch.full((len(screen), height, width), NO_FACE, device=screen.device)
    # clip space, with the nearest depth at -1; y runs with the rows, as nvdiffrast counts them from -1
    low, high = screen[..., 2].aminmax()
    depth = 1 - 2 * (screen[..., 2] - low) / (high - low).clamp(min=1e-6)
    x, y = screen[..., 0] * (2 / width) - 1, screen[..., 1] * (2 / height) - 1
    clip = torch.stack([x, y, depth, torch.ones_like(x)], -1).flatten(0, 1)
    drawn = faces[face] + view[:, None] * screen.shape[1]
    counts = torch.bincount(view, minlength=len(screen))
    ranges = torch.stack([counts.cumsum(0) - counts, counts], 1)
    found, _ = import_module("nvdiffrast.torch").rasterize(
        _context(screen.device.index), clip, drawn.to(torch.int32), (height, width), ranges.to("cpu", torch.int32)
    )
    nth = found[..., 3].to(torch.int64) - 1
    return torch.where(nth < 0, NO_FACE, face[nth.clamp(min=0)])


def is_usable(device: torch.device) -> bool:
    """Whether tensors on ``device`` can be drawn by nvdiffrast."""
    return device.type == "cuda" and find_spec("nvdiffrast") is not None


@cache
def _context(device_index: int) -> Any:
    return import_module("nvdiffrast.torch").RasterizeCudaContext(device=f"cuda:{device_index}")
