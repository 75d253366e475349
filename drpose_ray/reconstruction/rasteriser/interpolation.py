"""Attributes of vertices carried to the pixels that show their faces, with gradients to both."""

from __future__ import annotations

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from drpose_ray.reconstruction.rasteriser.z_buffer import NO_FACE, sides


def interpolate(
    shown: Int64[Tensor, "V H W"],
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
    attributes: Float32[Tensor, "P K"],
) -> tuple[Int64[Tensor, " N"], Float32[Tensor, "N K"]]:
    """The N pixels that show a face of those ``rasterise`` found, ascending places in the flattened picture, and the
    ``attributes`` there. Most of a picture is empty, so that pictures themselves are made last.

    The gradient to ``screen`` is that of a picture whose pixels keep their faces; what happens where they change hands
    is ``antialias``'s part.
    """
    pixel = (shown.flatten() != NO_FACE).nonzero()[:, 0]
    corners, weights = corners_at(shown, screen, faces, pixel)
    at_corners = attributes.index_select(0, corners.flatten()).unflatten(0, corners.shape)
    return pixel, (weights[..., None] * at_corners).sum(0)


def corners_at(
    shown: Int64[Tensor, "V H W"],
    screen: Float32[Tensor, "V P 3"],
    faces: Int64[Tensor, "T 3"],
    pixel: Int64[Tensor, " N"],
) -> tuple[Int64[Tensor, "3 N"], Float32[Tensor, "3 N"]]:
    """The corners of the faces that N pixels show, given by their place in the flattened picture, and the weight of
    each corner at the pixel's centre.
    """
    _, height, width = shown.shape
    corners = faces.T[:, shown.flatten()[pixel]]
    view = pixel // (height * width)
    points = screen[..., :2].reshape(-1, 2).index_select(0, (corners + view * screen.shape[1]).flatten())
    x, y = points.T.unflatten(1, (3, -1))
    areas = torch.stack(sides(x - (pixel % width + 0.5), y - (pixel // width % height + 0.5)))
    return corners, areas / areas.sum(0)
