"""The edges of a triangle mesh, found by sorting one integer per side of a face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor


@dataclass(frozen=True)
class Edges:
    """E edges between two vertices each, and the S = 3T sides of faces that lie on them, grouped by edge.

    Attributes:
        ends: the lower vertex, then the higher one.
        side_face: the face of each side, edge after edge.
        side_sign: 1 where the face runs along its side from the lower vertex to the higher one, else -1.
        last: the last side of each edge; an edge of a closed manifold has two, a border one.
    """

    ends: Int64[Tensor, "E 2"]
    side_face: Int64[Tensor, " S"]
    side_sign: Int64[Tensor, " S"]
    last: Int64[Tensor, " E"]

    def sum_over_sides(self, values: Int64[Tensor, "V S"]) -> Int64[Tensor, "V E"]:
        """The sum of ``values`` over the sides of each edge, exact and in no particular order of threads."""
        sums = values.cumsum(1)[:, self.last]
        return torch.diff(sums, dim=1, prepend=sums.new_zeros(len(sums), 1))


def edges_of(faces: Int64[Tensor, "T 3"], num_vertices: int) -> Edges:
    """The edges of ``faces``, ordered by their vertices. One key per side, ``low * num_vertices + high``, is many times
    faster to sort than pairs (docs/facts/reconstruction.md, 1.4).
    """
    start, end = faces.T.reshape(-1), faces.roll(-1, 1).T.reshape(-1)
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    keys, order = torch.sort(low * num_vertices + high, stable=True)
    edges, counts = torch.unique_consecutive(keys, return_counts=True)
    ends = torch.stack([edges // max(num_vertices, 1), edges % max(num_vertices, 1)], 1)
    sign = torch.where(start < end, 1, -1)[order]
    return Edges(ends, order % max(len(faces), 1), sign, counts.cumsum(0) - 1)
