"""Orthographic silhouettes of a mesh without a ray caster: where only coverage is asked for, at thumbnail sizes.

Building embree's tree takes most of a render's time; here each triangle tests the few pixel centres of its box.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry.cameras import Frame, world_to_cam


def draw_silhouette(
    vertices_world: NDArray[np.floating], faces: NDArray[np.int64], frame: Frame, azimuth_deg: float, size: int
) -> NDArray[np.bool_]:
    """(size, size) bool: pixels whose centre the mesh covers, ``vertices_world`` (V, 3) metres and ``faces`` (T, 3)."""
    right, up, _ = world_to_cam(azimuth_deg)
    local = (vertices_world - frame.center_world) / frame.width_m
    # In pixels, with whole numbers at pixel centres; rows are the three corners of each triangle.
    x = ((local @ right + 0.5) * size - 0.5)[faces.T]
    y = ((0.5 - local @ up) * size - 0.5)[faces.T]
    left, top = (np.maximum(np.ceil(_least(each)), 0) for each in (x, y))
    width, height = (np.minimum(np.floor(-_least(-each)), size - 1) - low + 1 for each, low in ((x, left), (y, top)))
    hit = np.flatnonzero((width > 0) & (height > 0))  # most triangles of a thumbnail lie between the pixel centres
    width, count = width[hit].astype(np.int64), (width * height)[hit].astype(np.int64)
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(nth, np.repeat(width, count))
    triangle = np.repeat(hit, count)
    column, row = column + left[triangle].astype(np.int64), row + top[triangle].astype(np.int64)
    (ax, bx, cx), (ay, by, cy) = x[:, triangle] - column, y[:, triangle] - row
    sides = np.stack([ax * by - ay * bx, bx * cy - by * cx, cx * ay - cy * ax])
    inside = (sides >= 0).all(0) | (sides <= 0).all(0)
    silhouette = np.zeros((size, size), bool)
    silhouette[row[inside], column[inside]] = True
    return silhouette


def _least(corners: NDArray[np.floating]) -> NDArray[np.floating]:
    """(3, T) -> (T,); faster than ``min`` over the short axis."""
    least: NDArray[np.floating] = np.minimum(np.minimum(corners[0], corners[1]), corners[2])
    return least
