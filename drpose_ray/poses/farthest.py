"""Farthest-point sampling (Sec. 3.2), exact: each pick is the point farthest from all picks before it.

The filter rests on one bound. Rotate the points by PCA and keep 16 coordinates and the norm of the rest: distances
between these 17-vectors never exceed the true ones (reverse triangle inequality on the rest). Only the few points
whose bound falls below their current distance need the true distance, so a step reads 17 numbers a point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError

NUM_COMPONENTS: Final = 16
_SLACK: Final = 1e-5
"""Rounding allowance of float32 squared distances, relative to the largest squared norm."""


@dataclass(frozen=True)
class FarthestPoints:
    """Picks in order, and each pick's distance to those before it (inf for the first), non-increasing."""

    indices: NDArray[np.int64]  # (K,)
    distances: NDArray[np.float64]  # (K,) in the unit of the points


def farthest_points(points: NDArray[np.float32], num: int, start: int = 0) -> FarthestPoints:
    """Pick ``num`` of ``points`` (N, D) from ``start`` on; fewer when all others coincide with picks.

    Equal to `farthest_points_brute` to the index, ties going to the lowest index. Raises InputError if points are not
    finite or ``num`` or ``start`` is out of range.
    """
    picks = list(islice(iterate_farthest(points, start), _check_num(num)))
    return FarthestPoints(np.array([i for i, _ in picks]), np.array([distance for _, distance in picks]))


def iterate_farthest(points: NDArray[np.float32], start: int = 0) -> Iterator[tuple[int, float]]:
    """Yield (index, distance to the picks before it) until every point coincides with a pick."""
    _check_points(points, start)
    bound = _bound_vectors(points)
    norms = np.einsum("dn,dn->n", bound, bound)
    slack = np.float32(_SLACK * norms.max(initial=0))
    nearest = np.full(len(points), np.inf)  # true squared distances in float64
    reach = np.full(len(points), np.inf, np.float32)  # nearest + slack - norms, what the product is compared with
    product = np.empty(len(points), np.float32)
    pick, distance = start, np.inf
    while True:
        yield pick, distance
        np.matmul(np.float32(-2) * bound[:, pick], bound, out=product)
        product += norms[pick]
        closer = _closer_than(points, pick, np.flatnonzero(product < reach), nearest, slack)
        nearest[closer] = np.minimum(nearest[closer], _squared_distances(points[closer], points[pick]))
        reach[closer] = nearest[closer].astype(np.float32) + slack - norms[closer]
        pick = int(nearest.argmax())
        distance = float(np.sqrt(nearest[pick]))
        if distance == 0:
            return


def farthest_points_brute(points: NDArray[np.float32], num: int, start: int = 0) -> FarthestPoints:
    """The reference: every distance in every step, from cached norms. Same arguments and result."""
    _check_points(points, start)
    columns = np.ascontiguousarray(points.T)  # twice as fast a product as over rows
    norms = np.einsum("dn,dn->n", columns, columns)
    slack = _SLACK * norms.max(initial=0)
    nearest = np.full(len(points), np.inf, np.float32)
    squared = np.empty(len(points), np.float32)
    picks, distances = [start], [np.inf]
    while len(picks) < _check_num(num):
        np.matmul(np.float32(-2) * points[picks[-1]], columns, out=squared)
        squared += norms
        squared += norms[picks[-1]]
        np.minimum(nearest, squared, out=nearest)
        # float32 cannot tell points this close to the maximum apart; their true distances decide.
        rivals = np.flatnonzero(nearest >= nearest.max() - 2 * slack)
        exact = np.min([_squared_distances(points[rivals], points[i]) for i in picks], axis=0)
        best = int(exact.argmax())
        if exact[best] == 0:
            break
        picks.append(int(rivals[best]))
        distances.append(float(np.sqrt(exact[best])))
    return FarthestPoints(np.array(picks), np.array(distances))


def _bound_vectors(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(17, N): leading PCA coordinates and the norm of the rest; transposed, so that a product streams long rows."""
    centred = points - points.mean(0, dtype=np.float64).astype(np.float32)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    rotated = centred @ axes[:, ::-1].astype(np.float32)
    rest = np.linalg.norm(rotated[:, NUM_COMPONENTS:], axis=1, keepdims=True)
    return np.ascontiguousarray(np.concatenate([rotated[:, :NUM_COMPONENTS], rest], 1).T)


def _closer_than(
    points: NDArray[np.float32],
    pick: int,
    candidates: NDArray[np.int64],
    nearest: NDArray[np.float64],
    slack: np.float32,
) -> NDArray[np.int64]:
    """Those candidates that float32 does not place beyond ``nearest``; most fail here, at half of float64's cost."""
    difference = points[candidates] - points[pick]
    within = np.einsum("nd,nd->n", difference, difference) < nearest[candidates] + slack
    kept: NDArray[np.int64] = candidates[within]
    return kept


def _squared_distances(points: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float64]:
    difference = points.astype(np.float64) - centre
    squared: NDArray[np.float64] = np.einsum("nd,nd->n", difference, difference)
    return squared


def _check_points(points: NDArray[np.float32], start: int) -> None:
    if points.ndim != 2 or not np.isfinite(points).all():
        raise InputError(
            "farthest points need finite (N, D) points",
            field="points",
            value=points.shape,
            remedy="apply the validity mask first",
        )
    if not 0 <= start < len(points):
        raise InputError(
            f"the first pick is not one of {len(points)} points",
            field="start",
            value=start,
            remedy="give an index of the points",
        )


def _check_num(num: int) -> int:
    if num < 1:
        raise InputError("at least one pick is needed", field="num", value=num, remedy="ask for 1 or more")
    return num
