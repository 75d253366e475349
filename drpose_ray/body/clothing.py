"""Painted and offset garments on a body: the free twin of a textured scan.

Garments are regions of the *rest* body, described relative to its joints so that any SMPL-X-layout file can wear
them. Colours and patterns live in rest coordinates and stick to the cloth when the body moves; thickness is an
offset along the rest normals, which changes the silhouette and the normals as clothes do.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.smplx_body import Body, vertex_normals

_TORSO: Final = (0, 3, 6, 9, 13, 14, 16, 17)
_ARMS: Final = (16, 17, 18, 19, 20, 21)
_LEGS: Final = (0, 1, 2, 4, 5, 7, 8)
_FEET: Final = (7, 8, 10, 11)
_SKIN_TONES: Final = ((0.95, 0.80, 0.69), (0.85, 0.65, 0.50), (0.66, 0.45, 0.32), (0.42, 0.27, 0.19))
_HAIR_COLORS: Final = ((0.09, 0.07, 0.06), (0.30, 0.18, 0.09), (0.62, 0.45, 0.22), (0.45, 0.15, 0.08), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Outfit:
    """A clothed surface: ``colours`` (V, 3) in [0, 1] and rest-pose ``offsets`` (V, 3) metres."""

    colors: NDArray[np.float32]
    offsets: NDArray[np.float32]


def draw_outfit(body: Body, rng: np.random.Generator) -> Outfit:
    """Skin, face, hair, shirt, trousers and shoes drawn at random. Deterministic in the generator's state."""
    points, joints = body.rest_vertices, body.rest_joints
    wrinkles = _noise(points, rng, frequency=18.0)
    skin = _blend(_SKIN_TONES, rng)
    hair_color = np.array(_HAIR_COLORS[rng.integers(len(_HAIR_COLORS))]) * rng.uniform(0.8, 1.2)
    colors = np.tile(skin, (body.num_vertices, 1))
    thickness = np.zeros(body.num_vertices)

    shirt, trousers, shoes = _garment_masks(body, rng)
    for mask, low_m, high_m in ((trousers, 0.008, 0.020), (shirt, 0.010, 0.024), (shoes, 0.006, 0.010)):
        colors[mask] = _cloth(points, rng)[mask]
        thickness[mask] = rng.uniform(low_m, high_m) + 0.005 * wrinkles[mask]
    colors[shoes] = _color(rng)

    hair = _hair_mask(points, joints, body.part, long=bool(rng.random() < 0.4))
    colors[hair] = hair_color * (1 + 0.15 * _noise(points, rng, frequency=60.0)[hair, None])
    thickness[hair] = rng.uniform(0.014, 0.034)
    _paint_face(colors, points, joints, body.part, hair_color)

    for _ in range(3):  # soften hems, which would otherwise be cliffs one edge long
        thickness = body.neighbour_average @ thickness
    offsets = vertex_normals(points, body.faces) * thickness[:, None]
    brightness = rng.uniform(0.85, 1.1)
    return Outfit(np.clip(colors * brightness, 0, 1).astype(np.float32), offsets.astype(np.float32))


def _garment_masks(body: Body, rng: np.random.Generator) -> tuple[NDArray[np.bool_], ...]:
    """Shirt, trousers and shoes (V,) each; the shirt hangs over the trousers."""
    points, joints, part = body.rest_vertices, body.rest_joints, body.part
    y, reach = points[:, 1], np.abs(points[:, 0])
    shoulder, elbow, wrist = (abs(joints[j, 0]) for j in (16, 18, 20))
    hip, knee, ankle, neck = (joints[j, 1] for j in (1, 4, 7, 12))
    sleeve = rng.choice([shoulder + 0.55 * (elbow - shoulder), elbow - 0.03, wrist - 0.02, wrist - 0.02])
    hem = hip + rng.uniform(-0.12, 0.02)
    trouser_end = rng.choice([hip + 0.6 * (knee - hip), knee - 0.12, ankle + 0.03, ankle + 0.03, ankle + 0.03])
    covers = np.isin(part, _TORSO) | (np.isin(part, _ARMS) & (reach < sleeve))
    shirt = covers & (reach < sleeve) & (y > hem) & (y < neck - 0.02)
    # Below the hem the shirt also hangs over the tops of the thighs.
    shirt |= np.isin(part, (1, 2)) & (y > hem)
    trousers = np.isin(part, _LEGS) & (y < hem + 0.12) & (y > trouser_end) & ~shirt
    shoes = np.isin(part, _FEET) & (y < ankle - 0.015)
    return shirt, trousers, shoes


def _hair_mask(
    points: NDArray[np.floating], joints: NDArray[np.floating], part: NDArray[np.int64], long: bool
) -> NDArray[np.bool_]:
    eye_y, eye_z = joints[23, 1], joints[23, 2]
    y, z = points[:, 1], points[:, 2]
    skull = (y > eye_y + 0.045 + 0.25 * np.maximum(z - eye_z + 0.03, 0)) | ((z < eye_z - 0.10) & (y > eye_y - 0.06))
    mask: NDArray[np.bool_] = np.isin(part, (15, 22)) & skull
    if long:
        mask |= np.isin(part, (12, 15)) & (z < eye_z - 0.115) & (y > eye_y - 0.2)
    return mask


def _paint_face(
    colors: NDArray[np.floating],
    points: NDArray[np.floating],
    joints: NDArray[np.floating],
    part: NDArray[np.int64],
    brow: NDArray[np.floating],
) -> None:
    """Eyes, brows and mouth: with the hair they tell front from back at 96 pixels."""
    head = np.isin(part, (15, 22, 23, 24))
    eye = joints[23]
    x, y, z = np.abs(points[:, 0]), points[:, 1] - eye[1], points[:, 2]
    front = head & (z > eye[2] - 0.03)
    sclera = front & (np.hypot((x - eye[0]) / 1.5, y) < 0.012)
    iris = front & (np.hypot(x - eye[0], y) < 0.008)
    brows = front & (np.abs(x - eye[0]) < 0.022) & (np.abs(y - 0.024) < 0.006)
    mouth = front & (x < 0.026) & (np.abs(y + 0.075) < 0.009)
    colors[sclera], colors[iris] = 0.92, 0.08
    colors[brows] = brow * 0.7
    colors[mouth] = (0.62, 0.22, 0.22)


def _cloth(points: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """Per-vertex colours (V, 3) of one fabric: plain, striped, or blotched, in one or two colours."""
    first, second = _color(rng), _color(rng)
    kind = rng.choice(["plain", "plain", "stripes", "noise"])
    if kind == "plain":
        weight = np.zeros(len(points))
    elif kind == "stripes":
        along = rng.choice([0, 1], p=[0.25, 0.75])
        weight = (np.sin(points[:, along] * rng.uniform(35, 70)) > rng.uniform(-0.3, 0.5)).astype(float)
    else:
        weight = (_noise(points, rng, frequency=rng.uniform(10, 22)) > 0.1).astype(float)
    return first + weight[:, None] * (second - first)


def _color(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.95)))


def _blend(palette: tuple[tuple[float, ...], ...], rng: np.random.Generator) -> NDArray[np.float64]:
    position = rng.uniform(0, len(palette) - 1)
    low = int(position)
    return np.array(palette[low]) * (low + 1 - position) + np.array(palette[min(low + 1, len(palette) - 1)]) * (
        position - low
    )


def _noise(points: NDArray[np.floating], rng: np.random.Generator, frequency: float) -> NDArray[np.float64]:
    """Smooth noise in about [-1, 1] at ``points`` (V, 3): a sum of plane waves of random direction and phase."""
    waves = rng.normal(size=(8, 3))
    waves *= (frequency * rng.uniform(0.6, 1.6, 8) / np.linalg.norm(waves, axis=1))[:, None]
    total: NDArray[np.float64] = np.sin(points @ waves.T + rng.uniform(0, 2 * np.pi, 8)).sum(1)
    return total / 4
