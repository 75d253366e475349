"""Colours for garments that come without pictures: by place on the mean body, so that patterns meet at seams."""

from __future__ import annotations

import colorsys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.garments.texture.canvas import CROTCH_Y, Array, Canvas, mix, saw, smooth_noise

_PATTERNS: Final = {
    "plain": 0.3, "stripes": 0.18, "pinstripes": 0.08, "checks": 0.14, "dots": 0.1, "blotches": 0.1,
    "colour blocks": 0.1,
}  # fmt: skip
_QUIET: Final = ((0.08, 0.08, 0.09), (0.9, 0.9, 0.88), (0.45, 0.46, 0.48), (0.7, 0.6, 0.46), (0.16, 0.24, 0.42))
_HAIR_COLOURS: Final = (
    (0.07, 0.06, 0.05), (0.16, 0.10, 0.06), (0.30, 0.18, 0.09), (0.55, 0.38, 0.18), (0.78, 0.62, 0.36),
    (0.45, 0.16, 0.07), (0.55, 0.55, 0.55),
)  # fmt: skip
_TALL_M: Final = 0.75
"""A piece of a garment of this height is trunk and legs in one, and is cut by the belt."""
_SMALL: Final = 0.12
"""A piece of a smaller share of the garment is a button, a tie, a belt."""
_SOLE_M: Final = 0.022


def draw_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Any colour of cloth; a third are black, white, grey, beige or denim, as in most wardrobes."""
    if rng.random() < 0.35:
        return np.clip(np.array(_QUIET[rng.integers(len(_QUIET))]) + rng.uniform(-0.05, 0.05), 0, 1)
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.95)))


def draw_hair_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.array(_HAIR_COLOURS[rng.integers(len(_HAIR_COLOURS))]) * rng.uniform(0.8, 1.2)


def paint_clothes(canvas: Canvas, belt_y: float | None, rng: np.random.Generator) -> Array:
    """(n, 3) an outfit, a top or a bottom: cloth above and below the belt, a print, and small pieces of their own.

    ``belt_y`` is where one cloth ends and the other begins, in metres on the mean body; None for one cloth.
    """
    y, part = canvas.points[:, 1], canvas.part
    upper, lower = paint_cloth(canvas, rng), paint_cloth(canvas, rng)
    accent, leather, printed = draw_colour(rng), np.full(3, rng.uniform(0.05, 0.3)), bool(rng.random() < 0.4)
    sizes = np.bincount(part)
    middle = np.bincount(part, y) / np.maximum(sizes, 1)
    tall = np.array([size > 0 and np.ptp(y[part == k]) > _TALL_M for k, size in enumerate(sizes)])
    split = -np.inf if belt_y is None else belt_y
    below = np.where(tall[part], y < split, middle[part] < split)
    colours = np.where(below[:, None], lower, upper)
    if printed:
        _print(colours, canvas, ~below, rng)
    colours[(sizes[part] < _SMALL * len(y)) & (part > 0)] = accent
    if belt_y is not None:
        mix(colours, leather, tall[part] * canvas.edge(0.016 - np.abs(y - belt_y)))
    return _worn(colours, canvas, rng)


def paint_cloth(canvas: Canvas, rng: np.random.Generator) -> Array:
    """(n, 3) one fabric: plain, striped, checked, dotted, blotched or of blocks, in two or three colours."""
    first, second, third = draw_colour(rng), draw_colour(rng), draw_colour(rng)
    kind = rng.choice(list(_PATTERNS), p=list(_PATTERNS.values()))
    along, across = canvas.axes()
    period, share, phase = rng.uniform(0.04, 0.13), rng.uniform(0.25, 0.6), rng.random()
    down = rng.random() < 0.75
    colours = canvas.filled(first)
    if kind == "stripes":
        mix(colours, second, canvas.band(along if down else across, period, phase, share))
    elif kind == "pinstripes":
        mix(colours, second, canvas.band(across, 0.03, phase, 0.2))
    elif kind == "checks":
        rows, columns = canvas.band(along, period, phase, share), canvas.band(across, period, phase, share)
        mix(colours, second, (rows + columns) / 2)
    elif kind == "dots":
        row = np.floor(along / period)
        far = np.hypot(saw(along / period - 0.5), saw(across / period + row / 2)) * period
        mix(colours, second, canvas.edge(0.32 * period - far))
    elif kind == "blotches":
        frequency = rng.uniform(18, 45)
        field = smooth_noise(canvas.points, rng, frequency)
        mix(colours, second, canvas.edge((field - 0.15) / frequency))
        mix(colours, third, canvas.edge((-0.35 - field) / frequency))
    elif kind == "colour blocks":
        chest = rng.uniform(0.02, 0.12)
        sides = canvas.edge(np.abs(canvas.points[:, 0]) - rng.uniform(0.14, 0.3))
        mix(colours, second, sides * (canvas.points[:, 1] > CROTCH_Y))
        mix(colours, third, canvas.edge(chest - along) * canvas.edge(along - chest + rng.uniform(0.05, 0.12)))
    return colours


def paint_shoes(canvas: Canvas, rng: np.random.Generator) -> Array:
    """(n, 3) uppers and soles; some have a stripe."""
    upper, stripe, sole = draw_colour(rng), draw_colour(rng), np.full(3, rng.choice([0.9, 0.12, 0.35]))
    height = canvas.points[:, 1] - canvas.points[:, 1].min()
    colours = canvas.filled(upper)
    if rng.random() < 0.5:
        mix(colours, stripe, canvas.edge(0.018 - np.abs(canvas.points[:, 2] - rng.uniform(0.03, 0.1))))
    mix(colours, sole, canvas.edge(_SOLE_M - height))
    return _worn(colours, canvas, rng)


def paint_hat(canvas: Canvas, rng: np.random.Generator) -> Array:
    """(n, 3) one colour, and a band."""
    colours = canvas.filled(draw_colour(rng))
    band_y = np.quantile(canvas.points[:, 1], 0.45)
    mix(colours, draw_colour(rng), canvas.edge(0.012 - np.abs(canvas.points[:, 1] - band_y)))
    return _worn(colours, canvas, rng)


def paint_hair(canvas: Canvas, colour: NDArray[np.floating], rng: np.random.Generator) -> Array:
    """(n, 3) strands that fall: finer across than along."""
    strands = smooth_noise(canvas.points * np.array([1.0, 0.12, 1.0], np.float32), rng, 420.0)
    locks = smooth_noise(canvas.points * np.array([1.0, 0.3, 1.0], np.float32), rng, 90.0)
    return canvas.filled(colour) * (1 + 0.22 * strands + 0.16 * locks)[:, None]


def _print(colours: Array, canvas: Canvas, allowed: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """A ring, a block of lines or a star on the chest, sometimes on the back."""
    back = rng.random() < 0.25
    x, y, z = canvas.points[:, 0], canvas.points[:, 1] - rng.uniform(-0.02, 0.06), canvas.points[:, 2]
    radius, ink = rng.uniform(0.05, 0.1), draw_colour(rng)
    far, edge = np.hypot(x, y), canvas.edge
    shape = rng.choice(["ring", "lines", "star"])
    if shape == "ring":
        inside = edge(radius - far) - edge(0.75 * radius - far) + edge(0.6 * radius - far)
    elif shape == "lines":
        inside = edge(1.2 * radius - np.abs(x)) * edge(0.7 * radius - np.abs(y)) * canvas.band(y, 0.028, 0.0, 0.6)
    else:
        inside = edge(radius * (0.65 + 0.35 * np.cos(5 * np.arctan2(y, x))) - far)
    mix(colours, ink, inside * allowed * (z < -0.02 if back else z > 0.03))


def _worn(colours: Array, canvas: Canvas, rng: np.random.Generator) -> Array:
    """No cloth is of one brightness."""
    folds, weave = smooth_noise(canvas.points, rng, 30.0), smooth_noise(canvas.points, rng, 160.0)
    return colours * (1 + 0.05 * folds + 0.03 * weave)[:, None]
