"""What every renderer of scans answers: pictures as they were measured, before any is rounded to 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry.cameras import Frame
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.scan import Mesh


class RenderFailedError(RuntimeError):
    """A scan could not be rendered; the next one may be."""


@dataclass(frozen=True)
class RenderedViews:
    """V views of side s, all float32, rows from the top."""

    color: NDArray[np.float32]
    """(V, s, s, 3) linear light, premultiplied with ``alpha``."""
    alpha: NDArray[np.float32]
    """(V, s, s) share of the pixel that is covered."""
    normal_world: NDArray[np.float32]
    """(V, s, s, 3) mean over the pixel of the shading normals in world axes, 0 where nothing is: not of unit length."""
    depth_m: NDArray[np.float32]
    """(V, s, s) metres along the view axis from the plane through the frame's centre, growing away from the viewer;
    of one ray, not averaged; infinite where it hit nothing."""


class ScanRenderer(Protocol):
    """Renders a mesh; what it draws depends on the arguments and ``settings`` alone."""

    def settings(self) -> Mapping[str, Any]:
        """Everything JSON-able that decides the pixels, versions included."""

    def render(self, mesh: Mesh, frame: Frame, views: Sequence[View], size: int) -> RenderedViews:
        """Raises RenderFailedError if this mesh cannot be rendered, InputError if none can be."""

    def close(self) -> None:
        """Give back what the renderer holds; it starts again when it is asked again."""
