"""A mesh with attributes, seen from several sides: what carving compares with its six views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from drpose_ray.geometry.cameras import Frame
from drpose_ray.reconstruction.mesh_edges import Edges, edges_of
from drpose_ray.reconstruction.rasteriser import nvdiffrast_z_buffer, z_buffer
from drpose_ray.reconstruction.rasteriser.antialiasing import antialias
from drpose_ray.reconstruction.rasteriser.interpolation import interpolate
from drpose_ray.reconstruction.rasteriser.screen import check_mesh, front_facing, to_screen


def render(
    vertices_world: Float32[Tensor, "P 3"],
    faces: Int64[Tensor, "T 3"],
    attributes: Float32[Tensor, "P K"],
    frame: Frame,
    azimuths_deg: Sequence[float],
    size: int,
    edges: Edges | None = None,
) -> Float32[Tensor, "V H W K+1"]:
    """Views of ``attributes``, which are 0 outside the mesh, and of the mask as one more channel; differentiable.

    Args:
        vertices_world: metres, world axes.
        faces: counter-clockwise seen from outside; inner sides are not drawn.
        attributes: per vertex, such as colours or normals.
        frame: what the square pictures show.
        azimuths_deg: of the views (``geometry.cameras``).
        size: of the pictures, pixels; H and W.
        edges: of ``faces``, if known already.

    Raises:
        InputError: an index out of range, a vertex that is not finite.
    """
    screen = to_screen(vertices_world, frame, azimuths_deg, size)
    check_mesh(screen, faces)
    facing = front_facing(screen, faces)
    backend = nvdiffrast_z_buffer if nvdiffrast_z_buffer.is_usable(screen.device) else z_buffer
    shown = backend.rasterise(screen, faces, facing, size, size)
    with_mask = torch.cat([attributes, attributes.new_ones(len(attributes), 1)], 1)
    pixel, values = interpolate(shown, screen, faces, with_mask)
    edges = edges if edges is not None else edges_of(faces, len(attributes))
    return antialias(pixel, values, shown, screen, faces, facing, edges)
