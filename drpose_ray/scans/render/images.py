"""From what a renderer measured to what is stored: 8-bit colours and normals on white, 16-bit depths."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.geometry.cameras import world_to_cam
from drpose_ray.scans.meshes.srgb import linear_to_srgb

DEPTH_STEPS: Final = 65534
"""Of a frame's width: depth ``1 + round(DEPTH_STEPS * d / width)``, where ``d`` grows from 0, half a frame in front of
the frame's centre, to the width, half a frame behind it. The rig's box fits in between. 0 is nothing."""


def color_images(color: NDArray[np.float32], alpha: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Linear premultiplied ``colour`` (…, 3) and coverage (…) -> sRGB on white (…, 3) and straight RGBA (…, 4).

    Edges are mixed with white as sRGB values, as whoever composites the RGBA does.
    """
    coverage = alpha[..., None]
    straight = linear_to_srgb((color / np.maximum(coverage, 1e-6)).clip(0, 1))
    straight = np.where(coverage > 0, straight, 1)
    on_white = straight * coverage + (1 - coverage)
    return _to_bytes(on_white), np.concatenate([_to_bytes(straight), _to_bytes(coverage)], -1)


def normal_image(
    normal_world: NDArray[np.float32], alpha: NDArray[np.float32], input_azimuth_deg: float
) -> NDArray[np.uint8]:
    """(…, 3): unit normals in the axes of the input camera (x right, y up, z to the viewer), ``(n + 1) / 2`` on white.

    They do not turn with the view. A pixel's mean normal is shorter at edges, and made a unit vector again.
    """
    turned = normal_world @ world_to_cam(input_azimuth_deg).T.astype(np.float32)
    length = np.linalg.norm(turned, axis=-1, keepdims=True)
    coverage = np.where(length[..., 0] > 1e-6, alpha, 0)[..., None]
    return _to_bytes((turned / np.maximum(length, 1e-6) * 0.5 + 0.5) * coverage + (1 - coverage))


def depth_image(depth_m: NDArray[np.float32], width_m: float) -> NDArray[np.uint16]:
    """(…) metres behind the frame's centre -> (…, 1) as ``DEPTH_STEPS`` says."""
    share = np.where(np.isfinite(depth_m), depth_m / width_m + 0.5, 0).clip(0, 1)
    return np.where(np.isfinite(depth_m), 1 + np.rint(DEPTH_STEPS * share), 0).astype(np.uint16)[..., None]


def depth_metres(image: NDArray[np.uint16], width_m: float) -> NDArray[np.float32]:
    """``depth_image`` backwards: (…, 1) -> (…), infinite where nothing is."""
    depth = image[..., 0].astype(np.float32)
    return np.where(depth > 0, ((depth - 1) / DEPTH_STEPS - 0.5) * width_m, np.inf).astype(np.float32)


def face_crop(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """PSHuman's face slot: x 256..512, y 0..256 of a front view (s, s, C) of 768 pixels, resized to s, bicubic."""
    size = len(picture)
    third = size // 3
    crop = Image.fromarray(picture[:third, third : 2 * third])
    return np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC))


def _to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return (values * 255 + 0.5).astype(np.uint8)
