"""Where silhouettes pass between pixel centres, found by walking the edges of the mesh."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from drpose_ray.reconstruction.mesh_edges import Edges
from drpose_ray.reconstruction.rasteriser.interpolation import corners_at
from drpose_ray.reconstruction.rasteriser.pieces import in_pieces
from drpose_ray.reconstruction.rasteriser.z_buffer import NO_FACE, nearest_of


@dataclass(frozen=True)
class Crossings:
    """N times that an edge passes between the centres of two neighbouring pixels, one in and one beyond the mesh.

    Attributes:
        start: vertex of the edge, as a row of the flattened screen.
        end: its other vertex.
        in_row: the neighbours lie in one row, else in one column.
        line: which row or column that is.
        inside: column or row of the pixel in the mesh.
        inner: that pixel's place in the flattened picture.
        outer: its neighbour's.
    """

    start: Int64[Tensor, " N"]
    end: Int64[Tensor, " N"]
    in_row: Bool[Tensor, " N"]
    line: Int64[Tensor, " N"]
    inside: Int64[Tensor, " N"]
    inner: Int64[Tensor, " N"]
    outer: Int64[Tensor, " N"]

    def __getitem__(self, some: Tensor) -> Crossings:
        return Crossings(*(getattr(self, each.name)[some] for each in fields(self)))

    def points(self, screen: Float32[Tensor, "V P 3"]) -> tuple[Float32[Tensor, " N"], Float32[Tensor, " N"]]:
        """Where along its row or column each edge crosses, in pixels whose centres are whole numbers, and its depth
        there; differentiable.
        """
        return _points(screen, self.start, self.end, self.in_row, self.line)


@torch.no_grad()
def find_crossings(
    shown: Int64[Tensor, "V H W"],
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
    facing: Bool[Tensor, "V T"],
    edges: Edges,
) -> Crossings:
    """Where one sees the mesh end, or a fold of it hide what lies behind; between two pixels at most once.

    An edge belongs to a silhouette where more of its faces are seen from outside on one side than on the other. It is
    walked row by row where it is steep, column by column where it is flat.
    """
    _, height, width = shown.shape
    surplus = edges.sum_over_sides(facing[:, edges.side_face] * edges.side_sign)
    view, edge = surplus.nonzero().T
    ends = edges.ends[edge] + view[:, None] * screen.shape[1]
    start, end = torch.where((surplus[view, edge] > 0)[:, None], ends, ends.flip(1)).T
    x, y, _ = screen.flatten(0, 1).T - 0.5
    in_row = (y[end] - y[start]).abs() >= (x[end] - x[start]).abs()
    from_line, to_line = torch.where(in_row, y[start], x[start]), torch.where(in_row, y[end], x[end])
    # the mesh lies at the greater x of an edge that runs down the screen, and at the lesser y of one that runs right
    rising = (to_line > from_line) == in_row
    first = torch.minimum(from_line, to_line).ceil().clamp(min=0)
    stop = torch.minimum(torch.maximum(from_line, to_line).ceil(), torch.where(in_row, height, width))
    found, depths = [], []
    for walked, nth in in_pieces((stop - first).clamp(min=0).to(torch.int64)):
        row, line = in_row[walked], first[walked].to(torch.int64) + nth
        across, depth = _points(screen, start[walked], end[walked], row, line)
        up, most = rising[walked], torch.where(row, width, height)
        inside = torch.where(up, across.ceil(), across.floor()).clamp(-2, max(height, width) + 1).to(torch.int64)
        outside = torch.where(up, inside - 1, inside + 1)
        on_screen = (torch.minimum(inside, outside) >= 0) & (torch.maximum(inside, outside) < most)
        inner, outer = (
            (view[walked] * height + torch.where(row, line, at)) * width + torch.where(row, at, line)
            for at in (inside, outside)
        )
        each = Crossings(start[walked], end[walked], row, line, inside, inner, outer)[on_screen]
        seen = _seen(each, depth[on_screen], shown, screen, faces)
        found.append(each[seen])
        depths.append(depth[on_screen][seen])
    if not found:
        return Crossings(start[:0], end[:0], in_row[:0], *[start[:0]] * 4)
    every = Crossings(*(torch.cat([getattr(some, each.name) for some in found]) for each in fields(Crossings)))
    pairs, pair = torch.unique(2 * torch.minimum(every.inner, every.outer) + every.in_row, return_inverse=True)
    return every[nearest_of(pair, torch.cat(depths), len(pairs))]


def _points(
    screen: Float32[Tensor, "V P 3"],
    start: Int64[Tensor, " N"],
    end: Int64[Tensor, " N"],
    in_row: Bool[Tensor, " N"],
    line: Int64[Tensor, " N"],
) -> tuple[Float32[Tensor, " N"], Float32[Tensor, " N"]]:
    flat = screen.reshape(-1, 3)
    (x0, y0, z0), (x1, y1, z1) = flat.index_select(0, start).T, flat.index_select(0, end).T
    from_line, to_line = torch.where(in_row, y0, x0), torch.where(in_row, y1, x1)
    from_across, to_across = torch.where(in_row, x0, y0), torch.where(in_row, x1, y1)
    share = (line + 0.5 - from_line) / (to_line - from_line)
    return from_across + share * (to_across - from_across) - 0.5, z0 + share * (z1 - z0)


def _seen(
    each: Crossings,
    depth: Float32[Tensor, " N"],
    shown: Int64[Tensor, "V H W"],
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
) -> Int64[Tensor, " M"]:
    """Those of ``each`` at which the pixels show different faces, and the outer one nothing nearer than the edge."""
    inner, outer = shown.flatten()[each.inner], shown.flatten()[each.outer]
    differ = (inner != outer) & (inner != NO_FACE)
    behind = (differ & (outer != NO_FACE)).nonzero()[:, 0]
    pixel = each.outer[behind]
    corners, weights = corners_at(shown, screen, faces, pixel)
    view = pixel // (shown.shape[1] * shown.shape[2])
    beyond = (weights * screen[view, corners, 2]).sum(0)
    differ[behind] = beyond <= depth[behind]
    return differ.nonzero()[:, 0]
