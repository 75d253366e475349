"""The rasteriser as one would explain it, a pixel and an edge at a time: the reference of the fast one.

One view at a time: ``screen`` is (P, 3). Values and gradients are compared in ``tests/reconstruction``.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from drpose_ray.reconstruction.rasteriser.z_buffer import NO_FACE


def rasterise_plain(
    screen: Float32[Tensor, "P 3"], faces: Int64[Tensor, "T 3"], height: int, width: int
) -> Int64[Tensor, "H W"]:
    """The first of the nearest faces at each pixel's centre, or -1."""
    shown = torch.full((height, width), NO_FACE)
    for row in range(height):
        for column in range(width):
            nearest = -math.inf
            for number, face in enumerate(faces):
                if not _faces_viewer(screen, face):
                    continue
                areas = _areas(screen, face, row, column)
                if min(areas) >= 0 and sum(areas) > 0:
                    depth = float(
                        sum(area * screen[corner, 2] for area, corner in zip(areas, face, strict=True)) / sum(areas)
                    )
                    if depth > nearest:
                        nearest, shown[row, column] = depth, number
    return shown


def interpolate_plain(
    shown: Int64[Tensor, "H W"],
    screen: Float32[Tensor, "P 3"],
    faces: Int64[Tensor, "T 3"],
    attributes: Float32[Tensor, "P K"],
) -> Float32[Tensor, "H W K"]:
    """The mean of the corners' attributes by the areas opposite of them; 0 where nothing is shown."""
    image = torch.zeros(*shown.shape, attributes.shape[1])
    for row, column in (shown != NO_FACE).nonzero().tolist():
        face = faces[shown[row, column]]
        areas = torch.stack(_areas(screen, face, row, column))
        image[row, column] = (areas / areas.sum()) @ attributes[face]
    return image


def antialias_plain(
    image: Float32[Tensor, "H W K"],
    shown: Int64[Tensor, "H W"],
    screen: Float32[Tensor, "P 3"],
    faces: Int64[Tensor, "T 3"],
) -> Float32[Tensor, "H W K"]:
    """Every silhouette edge walked line by line, then the nearest crossing between two pixels mixes them."""
    nearest: dict[tuple[int, ...], tuple[float, tuple[int, int], tuple[int, int], Tensor]] = {}
    for start, end in _silhouette(screen, faces):
        p, q = screen[start], screen[end]
        in_row = bool((q - p)[1].abs() >= (q - p)[0].abs())
        along, across = (1, 0) if in_row else (0, 1)
        lines, columns = shown.shape if in_row else shown.shape[::-1]
        upwards = bool(q[1] > p[1]) if in_row else bool(q[0] < p[0])
        for line in range(lines):
            if not min(p[along], q[along]) <= line + 0.5 < max(p[along], q[along]):
                continue
            share = (line + 0.5 - p[along]) / (q[along] - p[along])
            crossing = p[across] + share * (q[across] - p[across]) - 0.5
            depth = float((p[2] + share * (q[2] - p[2])).detach())
            inside = (math.ceil if upwards else math.floor)(float(crossing.detach()))
            outside = inside - 1 if upwards else inside + 1
            if not (0 <= inside < columns and 0 <= outside < columns):
                continue
            inner, outer = ((line, at) if in_row else (at, line) for at in (inside, outside))
            pair = (in_row, *min(inner, outer))
            if _differ(shown, screen, faces, inner, outer, depth) and depth > nearest.get(pair, (-math.inf,))[0]:
                nearest[pair] = depth, inner, outer, (crossing - inside).abs() - 0.5
    mixed = image.clone()
    for _, inner, outer, reach in nearest.values():
        mixed[outer if reach > 0 else inner] += reach * (image[inner] - image[outer])
    return mixed


def _silhouette(screen: Tensor, faces: Tensor) -> list[tuple[int, int]]:
    """Edges with a face on one side that shows its outer side and none that does on the other, the mesh at one hand."""
    surplus: dict[tuple[int, int], int] = {}
    for face in faces:
        if _faces_viewer(screen, face):
            a, b, c = face.tolist()
            for start, end in ((a, b), (b, c), (c, a)):
                low, high = min(start, end), max(start, end)
                surplus[low, high] = surplus.get((low, high), 0) + (1 if start < end else -1)
    return [(low, high) if more > 0 else (high, low) for (low, high), more in surplus.items() if more]


def _differ(
    shown: Tensor, screen: Tensor, faces: Tensor, inner: tuple[int, int], outer: tuple[int, int], depth: float
) -> bool:
    """Whether an edge at ``depth`` ends what the inner pixel shows, seen before what the outer one does."""
    if shown[inner] == NO_FACE or shown[inner] == shown[outer]:
        return False
    if shown[outer] == NO_FACE:
        return True
    face = faces[shown[outer]]
    areas = torch.stack(_areas(screen, face, *outer))
    return float(((areas / areas.sum()) @ screen[face, 2]).detach()) <= depth


def _faces_viewer(screen: Tensor, face: Tensor) -> bool:
    (ax, ay), (bx, by), (cx, cy) = screen[face, :2]
    return bool((by - ay) * (cx - ax) > (bx - ax) * (cy - ay))


def _areas(screen: Tensor, face: Tensor, row: int, column: int) -> list[Tensor]:
    """Twice the areas that a pixel's centre makes with the three sides, positive inside."""
    (ax, ay), (bx, by), (cx, cy) = screen[face, :2] - torch.tensor([column + 0.5, row + 0.5])
    return [by * cx - bx * cy, cy * ax - cx * ay, ay * bx - ax * by]
