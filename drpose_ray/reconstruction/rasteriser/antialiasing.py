"""Soft silhouettes: the gradient of what is covered flows through the edges of the mesh.

The usual rule looks for the edge among those of the triangle that a pixel shows. On a fine mesh the edge of the
silhouette belongs to a sliver that no pixel centre meets, and nine tenths of the gradient are lost
(docs/facts/reconstruction.md, 3.2). So edges are walked instead, and each finds its pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from drpose_ray.reconstruction.mesh_edges import Edges
from drpose_ray.reconstruction.rasteriser.silhouettes import find_crossings
from drpose_ray.reconstruction.rasteriser.z_buffer import NO_FACE


def antialias(
    pixel: Int64[Tensor, " N"],
    values: Float32[Tensor, "N K"],
    shown: Int64[Tensor, "V H W"],
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
    facing: Bool[Tensor, "V T"],
    edges: Edges,
) -> Float32[Tensor, "V H W K"]:
    """The picture of ``values``, with the two pixels beside a silhouette mixed by how much of them it covers.

    Where the edge lies more than half a pixel beyond the inner centre, the outer pixel takes on of the inner one, else
    the inner one of the outer. A row's sum of the mask is then the length that steep edges cut from it, and has that
    length's derivative. A pixel in a corner has several such neighbours, and a mask may pass 1 there.

    Args:
        pixel: those that show a face, from ``interpolate``.
        values: what they show; all others show 0.
        shown: the faces that ``rasterise`` found.
        screen: vertices in the views' screen axes.
        faces: those that were rasterised.
        facing: ``front_facing`` of them.
        edges: of ``faces``.
    """
    found = find_crossings(shown, screen, faces, facing, edges)
    reach = (found.points(screen)[0] - found.inside).abs() - 0.5
    with_empty = torch.cat([values, values.new_zeros(1, values.shape[1])])
    beyond = torch.where(shown.flatten()[found.outer] == NO_FACE, len(pixel), torch.searchsorted(pixel, found.outer))
    inner, outer = with_empty.index_select(0, torch.cat([torch.searchsorted(pixel, found.inner), beyond])).chunk(2)
    change = reach[:, None] * (inner - outer)
    place = torch.cat([pixel, torch.where(reach > 0, found.outer, found.inner)])
    image = values.new_zeros(shown.numel(), values.shape[1]).index_add_(0, place, torch.cat([values, change]))
    return image.view(*shown.shape, -1)
