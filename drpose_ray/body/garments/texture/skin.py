"""Skin, face and eyes, painted by place on the mean body: they tell front from back in a small image."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.garments.texture.canvas import Array, mix, smooth_noise

_TONES: Final = (
    (0.96, 0.82, 0.72), (0.90, 0.72, 0.58), (0.78, 0.57, 0.42), (0.62, 0.42, 0.29), (0.45, 0.29, 0.20),
    (0.32, 0.20, 0.14),
)  # fmt: skip
_IRISES: Final = ((0.20, 0.12, 0.07), (0.33, 0.22, 0.10), (0.25, 0.40, 0.50), (0.30, 0.42, 0.28))
# Places on the mean face relative to the middle between the eyes' centres, in metres.
_BROW_Y, _LIPS_Y = 0.023, -0.072
_EYEBALL_M: Final = 0.036
"""The side of the square that the picture of an eyeball shows, from the front."""


def paint_skin(
    points: Array, eye: NDArray[np.floating], hair: NDArray[np.floating], *, cropped: bool, rng: np.random.Generator
) -> Array:
    """(n, 3) colours of the body at ``points`` (n, 3) on the mean body.

    Args:
        eye: (3,) the centre of the left eye.
        hair: (3,) the colour of hair and brows; ``cropped`` paints the scalp with it, below hair or a hat.
    """
    tone = _tone(rng)
    lips = tone * (0.84, 0.58, 0.56) + (0.04, 0, 0)
    beard = 0.5 if rng.random() < 0.15 else 0.0
    x, y, z = np.abs(points[:, 0]), points[:, 1] - eye[1], points[:, 2] - eye[2]
    head = (x < 0.11) & (y > -0.16)
    front = head * np.clip((z + 0.05) / 0.03, 0, 1)
    colours = tone.astype(np.float32) * (1 + 0.035 * smooth_noise(points, rng, 40.0))[:, None]
    mix(colours, lips, 0.3 * front * np.exp(-(((x - 0.045) / 0.018) ** 2) - ((y + 0.04) / 0.018) ** 2))
    mouth = np.hypot(x / 0.036, (y + 0.075) / 0.026)
    jaw = np.clip((-0.040 - y - 0.2 * z) / 0.012, 0, 1) * np.clip((z + 0.075) / 0.03, 0, 1) * (y > -0.13)
    mix(colours, hair, beard * head * np.maximum(jaw * np.clip(4 * mouth - 3, 0, 1), 0))
    mix(colours, lips, front * _inside(np.hypot(x / 0.025, (y - _LIPS_Y) / 0.0085)))
    mix(colours, lips * 0.5, front * _inside(np.hypot(x / 0.023, (y - _LIPS_Y) / 0.0016)))
    brow = np.hypot((x - 0.033) / 0.021, (y - _BROW_Y - 0.12 * (0.033 - np.abs(x - 0.036))) / 0.0045)
    mix(colours, hair * 0.7, 0.9 * front * _inside(brow))
    mix(colours, tone * 0.35, 0.5 * front * _inside(np.hypot((x - eye[0]) / 0.015, (y - 0.001) / 0.0065)))
    # Some shapes close their lids over the eyeballs.
    mix(colours, np.full(3, 0.08), 0.8 * front * _inside(np.hypot((x - eye[0]) / 0.006, (y - 0.001) / 0.0035)))
    if cropped:
        skull = head & ((y > 0.055 + 0.25 * np.maximum(z + 0.03, 0)) | ((z < -0.105) & (y > -0.06)))
        mix(colours, hair, 0.9 * skull)
    return colours


def eyeball_uvs(points: Array, eye: NDArray[np.floating]) -> Array:
    """(n, 2) in [0, 1]: where ``points`` (n, 3) on the mean eyeballs, seen from the front, are in an eyeball's picture.

    In MakeHuman's atlas an eyeball has a fortieth of a side: its iris would be less than a texel.
    """
    apart = np.stack([np.abs(points[:, 0]) - eye[0], points[:, 1] - eye[1]], 1)
    return np.clip(apart / _EYEBALL_M + 0.5, 0, 1).astype(np.float32)


def paint_eyeball(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(size, size, 3) an eyeball from the front: white, iris and pupil."""
    place = ((np.arange(size) + 0.5) / size - 0.5) * _EYEBALL_M
    far = np.hypot(place[:, None], place[None]).ravel()
    colours = np.tile(np.array((0.93, 0.92, 0.90), np.float32), (size * size, 1))
    mix(colours, np.array(_IRISES[rng.integers(len(_IRISES))]), _inside(far / 0.0066))
    mix(colours, np.full(3, 0.03), _inside(far / 0.0028))
    return (colours * 255 + 0.5).astype(np.uint8).reshape(size, size, 3)


def _tone(rng: np.random.Generator) -> NDArray[np.float64]:
    place = rng.uniform(0, len(_TONES) - 1)
    low = int(place)
    between: NDArray[np.float64] = np.array(_TONES[low]) * (low + 1 - place) + np.array(_TONES[low + 1]) * (place - low)
    return between


def _inside(radius: NDArray[np.floating]) -> NDArray[np.floating]:
    """One within ``radius`` 1, and softly nothing beyond 1.2."""
    share: NDArray[np.floating] = np.clip((1.2 - radius) / 0.2, 0, 1)
    return share
