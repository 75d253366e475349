"""Which face each pixel shows: every face tests the pixel centres of its box, and the nearest one keeps the pixel.

Nothing here has a gradient; positions get theirs from ``interpolation`` and ``antialiasing``
(docs/facts/reconstruction.md, 3.2).
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from drpose_ray.reconstruction.rasteriser.pieces import in_pieces

NO_FACE: Final = -1
_EMPTY: Final = torch.iinfo(torch.int64).min
_LAST: Final = (1 << 31) - 1


@torch.no_grad()
def rasterise(
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
    facing: Bool[Tensor, "V T"],
    height: int,
    width: int,
) -> Int64[Tensor, "V H W"]:
    """The nearest face that covers each pixel's centre, or -1.

    Only outer sides are drawn, which of a closed mesh are all that can be seen. A centre on the border of two faces is
    covered by both, so that no gap shows between them; of faces equally near, the first is kept. The result does not
    depend on the order of threads.

    Args:
        screen: vertices in the views' screen axes (``screen``).
        faces: counter-clockwise seen from outside; of a mesh that passes ``check_mesh``.
        facing: ``front_facing`` of them.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    view, face = facing.nonzero().T
    flat = screen.reshape(-1, 3)
    corners = faces.T[:, face] + view * screen.shape[1]
    x, y = flat[:, 0][corners], flat[:, 1][corners]
    left, boxes_w = _span(x, width)
    top, boxes_h = _span(y, height)
    nearest = torch.full((len(screen) * height * width,), _EMPTY, device=screen.device)
    for drawn, nth in in_pieces(boxes_w * boxes_h):  # most faces of a fine mesh lie between the pixel centres
        box_w = boxes_w[drawn]
        down = nth.div(box_w, rounding_mode="floor")
        column, row = left[drawn] + nth - down * box_w, top[drawn] + down
        a, b, c = sides(x[:, drawn] - (column + 0.5), y[:, drawn] - (row + 0.5))
        total = a + b + c
        inside = ((torch.minimum(torch.minimum(a, b), c) >= 0) & (total > 0)).nonzero()[:, 0]
        hit = drawn[inside]
        za, zb, zc = flat[:, 2][corners[:, hit]]
        depth = (a[inside] * za + b[inside] * zb + c[inside] * zc) / total[inside]
        place = (view[hit] * height + row[inside]) * width + column[inside]
        nearest.scatter_reduce_(0, place, (_in_order(depth) << 32) | (_LAST - face[hit]), "amax")
    shown = torch.where(nearest == _EMPTY, NO_FACE, _LAST - (nearest & 0xFFFFFFFF))
    return shown.view(len(screen), height, width)


def nearest_of(place: Int64[Tensor, " N"], depth: Float32[Tensor, " N"], num_places: int) -> Int64[Tensor, " M"]:
    """The nearest of those at each place, the first of equals."""
    key = (_in_order(depth) << 32) | (_LAST - torch.arange(len(place), device=place.device))
    best = torch.full((num_places,), _EMPTY, device=place.device).scatter_reduce_(0, place, key, "amax")
    return (best[place] == key).nonzero()[:, 0]


def _in_order(numbers: Float32[Tensor, " N"]) -> Int64[Tensor, " N"]:
    """Integers of 32 bits, ordered as the finite ``numbers`` are: their own bits, turned around below 0."""
    bits = (numbers + 0.0).view(torch.int32)  # the sum makes 0 of -0
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)


def _span(at: Float32[Tensor, "3 N"], size: int) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"]]:
    """The first of ``size`` pixels whose centre lies between the corners along one axis, and how many do."""
    low = torch.minimum(torch.minimum(at[0], at[1]), at[2])
    high = torch.maximum(torch.maximum(at[0], at[1]), at[2])
    first = (low - 0.5).ceil().clamp(0, size).to(torch.int64)
    last = (high - 0.5).floor().clamp(-1, size - 1).to(torch.int64)
    return first, (last - first + 1).clamp(min=0)


def sides(x: Float32[Tensor, "3 F"], y: Float32[Tensor, "3 F"]) -> tuple[Tensor, Tensor, Tensor]:
    """Twice the areas that a point makes with the sides against corners a, b and c, given the corners relative to it.

    The neighbour beyond a side computes the same number with the other sign, to the bit: no point is lost between.
    """
    (ax, bx, cx), (ay, by, cy) = x, y
    return by * cx - bx * cy, cy * ax - cx * ay, ay * bx - ax * by
