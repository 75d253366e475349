"""Where vertices lie on the screens of orthographic views, and which meshes can be drawn at all.

Screen axes, of every function in this package: x right and y down in pixels from the top left corner, so that pixel
``i`` has its centre at ``i + .5`` (as ``geometry.cameras.project``); depth in pixels too, larger is nearer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from drpose_ray.core.errors import InputError
from drpose_ray.geometry.cameras import Frame, world_to_cam


def to_screen(
    vertices_world: Float[Tensor, "P 3"], frame: Frame, azimuths_deg: Sequence[float], size: int
) -> Float[Tensor, "V P 3"]:
    """``vertices_world`` in metres on the square screens of ``size`` pixels that show ``frame``; differentiable."""
    down = np.array([[1.0], [-1.0], [1.0]])  # the screen's y against the camera's
    turns = torch.from_numpy(np.stack([down * world_to_cam(azimuth) for azimuth in azimuths_deg])).to(vertices_world)
    center = torch.from_numpy(frame.center_world).to(vertices_world)
    middle = vertices_world.new_tensor([size / 2, size / 2, 0.0])
    return (vertices_world - center) @ turns.mT * (size / frame.width_m) + middle


@torch.no_grad()
def front_facing(screen: Float[Tensor, "V P 3"], faces: Int64[Tensor, "T 3"]) -> Bool[Tensor, "V T"]:
    """Faces that show their outer side, counter-clockwise as a viewer sees them. One without area shows none."""
    x, y = ([screen[..., axis][:, corners] for corners in faces.T] for axis in range(2))
    return (y[1] - y[0]) * (x[2] - x[0]) > (x[1] - x[0]) * (y[2] - y[0])


def check_mesh(screen: Float[Tensor, "V P 3"], faces: Int64[Tensor, "T 3"]) -> None:
    """Raises InputError for faces of vertices that do not exist, and for vertices that lie nowhere."""
    if faces.numel() and not 0 <= int(faces.min()) <= int(faces.max()) < screen.shape[1]:
        bad = faces[((faces < 0) | (faces >= screen.shape[1])).any(1)]
        raise InputError(
            "a face of the mesh names a vertex that it does not have", field="faces", value=bad[0].tolist(),
            remedy=f"count vertices from 0; this mesh has {screen.shape[1]}",
        )  # fmt: skip
    if not bool(screen.isfinite().all()):
        view, vertex = (~screen.isfinite().all(2)).nonzero()[0].tolist()
        raise InputError(
            "a vertex of the mesh is not finite", field=f"vertex {vertex}", value=screen[view, vertex].tolist(),
            remedy="repair the mesh, or look for the step that made it: too high a rate, a division by zero",
        )  # fmt: skip
