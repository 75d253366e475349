"""What Blender is handed and what it hands back: meshes, cameras and pictures, in its axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.geometry.cameras import Frame
from drpose_ray.scans.meshes.srgb import srgb_to_linear
from drpose_ray.scans.render.cameras import SENSOR_MM, View
from drpose_ray.scans.render.renderer import RenderedViews
from drpose_ray.scans.scan import Mesh


def write_request(
    folder: Path, number: int, mesh: Mesh, frame: Frame, views: Sequence[View], size: int
) -> dict[str, Any]:
    """The request for scan ``number`` of a process, whose mesh and texture now lie in ``folder``."""
    local = (mesh.vertices - frame.center_world) / frame.width_m
    arrays: dict[str, Any] = {
        "vertices": blender_axes(local).astype(np.float32),
        "faces": mesh.faces.astype(np.int32),
    }
    request: dict[str, Any] = {"mesh": str(folder / "mesh.npz"), "size": size}
    if mesh.texture is not None:
        assert mesh.corner_uvs is not None
        arrays["corner_uvs"] = mesh.corner_uvs.astype(np.float32)
        # A bitmap takes no time to pack; the name is new, so that Blender does not find the last scan's in a cache.
        request["texture"] = str(folder / f"texture{number}.bmp")
        Image.fromarray(mesh.texture).save(request["texture"])
    else:
        assert mesh.colors is not None
        opaque = np.ones((len(mesh.colors), 1))
        arrays["colors"] = np.concatenate([srgb_to_linear(mesh.colors), opaque], 1).astype(np.float32)
    np.savez(request["mesh"], allow_pickle=False, **arrays)
    request["views"] = [
        {
            "file": str(folder / f"view{i:03d}.exr"),
            "matrix": _camera_matrix(view).tolist(),
            "lens_mm": view.lens_mm,
            "sensor_mm": SENSOR_MM,
        }
        for i, view in enumerate(views)
    ]
    return request


def read_views(files: Sequence[Path], frame: Frame, views: Sequence[View]) -> RenderedViews:
    """The pictures of ``files``, one a view, which are removed. Raises OSError or ValueError if they are none."""
    from drpose_ray.scans.render.blender.exr import NO_DEPTH, read_passes  # OpenEXR comes with the blender extra

    read = [read_passes(file) for file in files]
    for file in files:
        file.unlink()  # what is not there cannot be taken for the next scan's
    combined = np.stack([passes["Combined"] for passes in read])
    normal = np.stack([passes["Normal"] for passes in read])
    distance = np.array([view.distance for view in views], np.float32)[:, None, None]
    depth = np.stack([passes["Depth"] for passes in read])
    if not (np.isfinite(combined).all() and np.isfinite(normal).all()):
        raise ValueError("it holds values that are not finite")
    return RenderedViews(
        color=combined[..., :3],
        alpha=combined[..., 3].clip(0, 1),
        normal_world=np.stack([normal[..., 0], normal[..., 2], -normal[..., 1]], -1),
        depth_m=np.where(depth < NO_DEPTH, (depth - distance) * frame.width_m, np.inf).astype(np.float32),
    )


def blender_axes(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Y up to z up, (…, 3)."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], -1)


def _camera_matrix(view: View) -> NDArray[np.float64]:
    """(4, 4) camera to world: columns are its right, up, backward axes and its place."""
    axes = view.world_to_cam()
    matrix = np.eye(4)
    matrix[:3, :3] = blender_axes(axes).T
    matrix[:3, 3] = blender_axes(axes[2] * view.distance)
    return matrix
