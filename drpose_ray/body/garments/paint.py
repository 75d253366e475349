"""Pictures for garments that come without: colours by place on the mean body, so that patterns meet at seams.

Points are in metres in the T-pose (x to the person's left, y up). Along a sleeve stripes run as on a real one: what
falls down the trunk goes out along the arm.
"""

from __future__ import annotations

import colorsys
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_SHOULDER_X, _ARMPIT_Y, _CROTCH_Y = 0.2, 0.0, -0.43
_EDGE_M: Final = 0.006
_PATTERNS: Final = {
    "plain": 0.3, "stripes": 0.18, "pinstripes": 0.08, "checks": 0.14, "dots": 0.1, "blotches": 0.1,
    "colour blocks": 0.1,
}  # fmt: skip
_SOLE_M: Final = 0.022
_HAIR_COLOURS: Final = (
    (0.07, 0.06, 0.05), (0.16, 0.10, 0.06), (0.30, 0.18, 0.09), (0.55, 0.38, 0.18), (0.78, 0.62, 0.36),
    (0.45, 0.16, 0.07), (0.55, 0.55, 0.55),
)  # fmt: skip


def draw_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Any colour of cloth; a third are black, white, grey, beige or denim, as in most wardrobes."""
    if rng.random() < 0.35:
        quiet = ((0.08, 0.08, 0.09), (0.9, 0.9, 0.88), (0.45, 0.46, 0.48), (0.7, 0.6, 0.46), (0.16, 0.24, 0.42))
        return np.clip(np.array(quiet[rng.integers(len(quiet))]) + rng.uniform(-0.05, 0.05), 0, 1)
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.95)))


def draw_hair_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.array(_HAIR_COLOURS[rng.integers(len(_HAIR_COLOURS))]) * rng.uniform(0.8, 1.2)


def paint_clothes(points: Array, part: NDArray[np.int64], belt_y: float | None, rng: np.random.Generator) -> Array:
    """(n, 3) colours of an outfit, a top or a bottom: cloth above and below the belt, a print, buttons and ties.

    Args:
        points: (n, 3) places on the mean body; ``part`` (n,) which piece of the garment each is of.
        belt_y: where one piece becomes another kind of cloth, in metres; None for a garment of one cloth.
    """
    upper, lower = paint_cloth(points, rng), paint_cloth(points, rng)
    accent, printed, leather = draw_colour(rng), bool(rng.random() < 0.4), rng.uniform(0.05, 0.3)
    counts = np.bincount(part)
    heights = np.bincount(part, points[:, 1]) / np.maximum(counts, 1)
    spans = np.array([np.ptp(points[part == k, 1]) if counts[k] else 0 for k in range(len(counts))])
    split = -np.inf if belt_y is None else belt_y
    below = np.where(spans[part] > 0.75, points[:, 1] < split, heights[part] < split)
    colours = np.where(below[:, None], lower, upper)
    if printed:
        _print(colours, points, ~below, rng)
    colours[(counts[part] < 0.12 * len(points)) & (part > 0)] = accent
    belt = (spans[part] > 0.75) & (np.abs(points[:, 1] - split) < 0.016)
    colours[belt] = leather
    return _worn(colours, points, rng)


def paint_cloth(points: Array, rng: np.random.Generator) -> Array:
    """(n, 3) one fabric: plain, striped, checked, dotted, blotched or of blocks, in two or three colours."""
    first, second, third = draw_colour(rng), draw_colour(rng), draw_colour(rng)
    kind = rng.choice(list(_PATTERNS), p=list(_PATTERNS.values()))
    along, across = _cloth_axes(points)
    period, share, phase = rng.uniform(0.04, 0.13), rng.uniform(0.25, 0.6), rng.random()
    down = rng.random() < 0.75
    colours = np.tile(first, (len(points), 1)).astype(np.float32)
    if kind in {"stripes", "pinstripes"}:
        if kind == "pinstripes":
            period, share, down = 0.03, 0.2, False
        mix(colours, second, _band(along if down else across, period, phase, share))
    elif kind == "checks":
        rows, columns = _band(along, period, phase, share), _band(across, period, phase, share)
        mix(colours, second, (rows + columns) / 2)
    elif kind == "dots":
        row = np.floor(along / period)
        far = np.hypot(_saw(along / period), _saw(across / period + row / 2)) * period
        mix(colours, second, _edge(0.32 * period - far))
    elif kind == "blotches":
        frequency = rng.uniform(18, 45)
        field = smooth_noise(points, rng, frequency)
        mix(colours, second, _edge((field - 0.15) / frequency))
        mix(colours, third, _edge((-0.35 - field) / frequency))
    elif kind == "colour blocks":
        edge = rng.uniform(0.02, 0.12)
        mix(colours, second, _edge(np.abs(points[:, 0]) - rng.uniform(0.14, 0.3)))
        mix(colours, third, _edge(edge - along) * _edge(along - edge + rng.uniform(0.05, 0.12)))
    return colours


def paint_shoes(points: Array, rng: np.random.Generator) -> Array:
    """(n, 3) uppers and soles; some have a stripe."""
    upper, stripe = draw_colour(rng), draw_colour(rng)
    sole = np.array([rng.choice([0.9, 0.12, 0.35])] * 3)
    floor = points[:, 1].min()
    colours = np.tile(upper, (len(points), 1)).astype(np.float32)
    if rng.random() < 0.5:
        colours[np.abs(points[:, 2] - rng.uniform(0.03, 0.1)) < 0.018] = stripe
    colours[points[:, 1] < floor + _SOLE_M] = sole
    return _worn(colours, points, rng)


def paint_hat(points: Array, rng: np.random.Generator) -> Array:
    """(n, 3) one colour, and a band."""
    colours = np.tile(draw_colour(rng), (len(points), 1)).astype(np.float32)
    lowest = np.quantile(points[:, 1], 0.45)
    mix(colours, draw_colour(rng), _edge(0.012 - np.abs(points[:, 1] - lowest)))
    return _worn(colours, points, rng)


def paint_hair(points: Array, colour: NDArray[np.floating], rng: np.random.Generator) -> Array:
    """(n, 3) strands that fall: finer across than along."""
    strands = smooth_noise(points * np.array([1.0, 0.12, 1.0], np.float32), rng, 420.0)
    locks = smooth_noise(points * np.array([1.0, 0.3, 1.0], np.float32), rng, 90.0)
    shade = 1 + 0.22 * strands + 0.16 * locks
    return (np.asarray(colour, np.float32) * shade[:, None]).astype(np.float32)


def smooth_noise(points: Array, rng: np.random.Generator, frequency: float) -> Array:
    """(n,) smooth noise in about [-1, 1]: a sum of plane waves of random direction and phase, radians per metre."""
    waves = rng.normal(size=(6, 3))
    waves *= (frequency * rng.uniform(0.6, 1.6, 6) / np.linalg.norm(waves, axis=1))[:, None]
    phases = points @ waves.T.astype(np.float32) + rng.uniform(0, 2 * np.pi, 6).astype(np.float32)
    total: Array = np.sin(phases).sum(1) / 3
    return total


def mix(colours: Array, colour: NDArray[np.floating], weight: NDArray[np.floating]) -> None:
    """Blend ``colour`` (3,) into ``colours`` (n, 3) by ``weight`` (n,) in [0, 1]."""
    colours += np.asarray(weight, np.float32)[:, None] * (np.asarray(colour, np.float32) - colours)


def _cloth_axes(points: Array) -> tuple[Array, Array]:
    """Places (n,) along and across the cloth, in metres: down the trunk and the legs, out along the arms, and around
    whichever of them it is.
    """
    x, y, z = points.T
    reach = np.maximum(np.abs(x) - _SHOULDER_X, 0)
    arm, leg = (reach > 0) & (y > _ARMPIT_Y), y < _CROTCH_Y
    along = np.where(arm, 0.14 - reach, y)
    around_arm, around_leg = np.arctan2(z - 0.02, y - 0.14), np.arctan2(np.abs(x) - 0.12, z)
    around = np.where(arm, 0.06 * around_arm, np.where(leg, 0.09 * around_leg, 0.15 * np.arctan2(x, z)))
    return along.astype(np.float32), around.astype(np.float32)


def _saw(place: Array) -> Array:
    """(n,) how far from the nearest whole number, in [0, .5]."""
    return np.abs(place - np.round(place))


def _band(place: Array, period: float, phase: float, share: float) -> Array:
    """(n,) one within the ``share`` of each ``period`` metres that a stripe takes."""
    return _edge((share / 2 - _saw(place / period + phase)) * period)


def _edge(inside_m: NDArray[np.floating]) -> Array:
    """(n,) from 0 to 1 over a few millimetres: an edge of one texel would be torn where the picture is sampled."""
    edge: Array = np.clip(inside_m / _EDGE_M + 0.5, 0, 1).astype(np.float32)
    return edge


def _print(colours: Array, points: Array, allowed: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """A disc, a block of lines or a star on the chest, sometimes on the back."""
    back = rng.random() < 0.25
    x, y = points[:, 0], points[:, 1] - rng.uniform(-0.02, 0.06)
    radius, ink = rng.uniform(0.05, 0.1), draw_colour(rng)
    far, angle = np.hypot(x, y), np.arctan2(y, x)
    shape = rng.choice(["disc", "lines", "star"])
    if shape == "disc":
        inside = _edge(radius - far) - _edge(0.75 * radius - far) + _edge(0.6 * radius - far)
    elif shape == "lines":
        inside = _edge(1.2 * radius - np.abs(x)) * _edge(0.7 * radius - np.abs(y)) * _band(y, 0.028, 0.0, 0.6)
    else:
        inside = _edge(radius * (0.65 + 0.35 * np.cos(5 * angle)) - far)
    side = (points[:, 2] < -0.02) if back else (points[:, 2] > 0.03)
    mix(colours, ink, inside * side * allowed)


def _worn(colours: Array, points: Array, rng: np.random.Generator) -> Array:
    """No cloth is of one brightness."""
    return colours * (1 + 0.05 * smooth_noise(points, rng, 30.0) + 0.03 * smooth_noise(points, rng, 160.0))[:, None]
