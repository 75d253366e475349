"""Farthest-point sampling (Sec. 3.2), exact: each pick is the point farthest from all picks before it.

The filter rests on one bound. Rotate the points by PCA and keep 16 coordinates and the norm of the rest: distances
between these 17-vectors never exceed the true ones (reverse triangle inequality on the rest). Only the few points
whose bound falls below their current distance need the true distance, so a step reads 17 numbers a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError

NUM_COMPONENTS: Final = 16
_SLACK: Final = 1e-5
"""Rounding allowance of float32 squared distances, relative to the largest squared norm."""


@dataclass(frozen=True)
class FarthestPoints:
    """Picks in order, and each pick's distance to those before it (inf for the first), non-increasing."""

    indices: NDArray[np.int64]  # (K,)
    distances: NDArray[np.float64]  # (K,) in the unit of the points


class Sampler(Protocol):
    """A sampling under way: the farthest point is read, then taken, and what is taken may be chosen by the caller."""

    def farthest(self) -> tuple[int, float]:
        """The lowest index of those farthest from the picks, and how far; inf before the first, 0 if none is left."""

    def take(self, index: int) -> None:
        """Make the point a pick."""

    def exclude(self, start: int, stop: int) -> None:
        """Points ``start`` to ``stop`` are not to be picked any more; they are no picks either."""


class Coverage:
    """Points and the distance of each to the nearest pick. Picks are given as vectors: they may be of other points."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = points
        self._mean, self._axes = _principal_axes(points)
        self._bound = np.ascontiguousarray(self._bound_vectors(points).T)  # (17, N): a product streams long rows
        self._norms = np.einsum("dn,dn->n", self._bound, self._bound)
        self._slack = np.float32(_SLACK * self._norms.max(initial=0))
        self._nearest = np.full(len(points), np.inf)  # true squared distances in float64; -1 if excluded
        # nearest + slack - norms, what the product is compared with
        self._reach = np.full(len(points), np.inf, np.float32)
        self._product = np.empty(len(points), np.float32)

    def take(self, centre: NDArray[np.float32]) -> None:
        """Account for a pick at ``centre`` (D,)."""
        (bound,) = self._bound_vectors(centre[None])
        norm = np.float32(bound @ bound)
        # A pick outside these points may lie farther out than any of them, and rounding grows with its norm.
        more = max(np.float32(_SLACK) * norm - self._slack, np.float32(0))
        np.matmul(np.float32(-2) * bound, self._bound, out=self._product)
        self._product += norm - more
        candidates = np.flatnonzero(self._product < self._reach)
        closer = _closer_than(self._points, centre, candidates, self._nearest, self._slack + more)
        squared = _squared_distances(self._points[closer], centre)
        self._nearest[closer] = np.minimum(self._nearest[closer], squared)
        self._reach[closer] = self._nearest[closer].astype(np.float32) + self._slack - self._norms[closer]

    def exclude(self, start: int, stop: int) -> None:
        """See `Sampler`."""
        self._nearest[start:stop] = -1
        self._reach[start:stop] = -np.inf

    def farthest(self) -> tuple[int, float]:
        """The lowest index of the largest squared distance, and it; -1 if all points are excluded."""
        index = int(self._nearest.argmax())
        return index, float(self._nearest[index])

    def _bound_vectors(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) -> (N, 17): leading PCA coordinates and the norm of the rest."""
        rotated = (points - self._mean) @ self._axes
        rest = np.linalg.norm(rotated[:, NUM_COMPONENTS:], axis=1, keepdims=True)
        return np.concatenate([rotated[:, :NUM_COMPONENTS], rest], 1)


class LocalSampler:
    """`Sampler` over finite points (N, D) in this process; InputError if they are not."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        check_points(points)
        self._points, self._coverage = points, Coverage(points)

    def farthest(self) -> tuple[int, float]:
        """See `Sampler`."""
        index, squared = self._coverage.farthest()
        return index, float(np.sqrt(max(squared, 0.0)))

    def take(self, index: int) -> None:
        """See `Sampler`."""
        self._coverage.take(self._points[index])

    def exclude(self, start: int, stop: int) -> None:
        """See `Sampler`."""
        self._coverage.exclude(start, stop)


def farthest_points(points: NDArray[np.float32], num: int, start: int = 0) -> FarthestPoints:
    """Pick ``num`` of ``points`` (N, D) from ``start`` on; fewer when all others coincide with picks.

    Equal to `farthest_points_brute` to the index, ties going to the lowest index. Raises InputError if points are not
    finite or ``num`` or ``start`` is out of range.
    """
    return collect_picks(iterate_farthest(points, start), num)


def collect_picks(picks: Iterable[tuple[int, float]], num: int) -> FarthestPoints:
    """The first ``num`` of a sampling, or all; InputError if ``num`` is below 1."""
    first = list(islice(picks, _check_num(num)))
    return FarthestPoints(np.array([i for i, _ in first]), np.array([distance for _, distance in first]))


def iterate_farthest(
    points: NDArray[np.float32], start: int = 0, taken: Sequence[int] = ()
) -> Iterator[tuple[int, float]]:
    """Yield (index, distance to the picks before it) until every point coincides with a pick.

    With ``taken``, the picks of an earlier sampling in any order, only those that follow them: what one sampling would
    have yielded in one go. ``start`` is then unused.
    """
    check_points(points)
    for index in (start, *taken):
        _check_start(points, index)
    yield from iterate_sampler(LocalSampler(points), start, taken)


def iterate_sampler(sampler: Sampler, start: int = 0, taken: Sequence[int] = ()) -> Iterator[tuple[int, float]]:
    """`iterate_farthest` by any sampler that has no picks yet."""
    for index in taken:
        sampler.take(index)
    pick, distance = sampler.farthest() if taken else (start, np.inf)
    while distance > 0:
        yield pick, distance
        sampler.take(pick)
        pick, distance = sampler.farthest()


def farthest_points_brute(points: NDArray[np.float32], num: int, start: int = 0) -> FarthestPoints:
    """The reference: every distance in every step, from cached norms. Same arguments and result."""
    check_points(points)
    _check_start(points, start)
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


def _principal_axes(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (D,) and axes (D, D) in columns, the longest first."""
    mean = points.mean(0, dtype=np.float64).astype(np.float32)
    centred = points - mean
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return mean, axes[:, ::-1].astype(np.float32)


def _closer_than(
    points: NDArray[np.float32],
    centre: NDArray[np.float32],
    candidates: NDArray[np.int64],
    nearest: NDArray[np.float64],
    slack: np.float32,
) -> NDArray[np.int64]:
    """Those candidates that float32 does not place beyond ``nearest``; most fail here, at half of float64's cost."""
    difference = points[candidates] - centre
    within = np.einsum("nd,nd->n", difference, difference) < nearest[candidates] + slack
    kept: NDArray[np.int64] = candidates[within]
    return kept


def _squared_distances(points: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float64]:
    difference = points.astype(np.float64) - centre
    squared: NDArray[np.float64] = np.einsum("nd,nd->n", difference, difference)
    return squared


def check_points(points: NDArray[np.float32]) -> None:
    """Refuse what is not a finite (N, D) array with at least one point."""
    if points.ndim != 2 or not len(points) or not np.isfinite(points).all():
        raise InputError(
            "farthest points need finite (N, D) points",
            field="points",
            value=points.shape,
            remedy="apply the validity mask first",
        )


def _check_start(points: NDArray[np.float32], start: int) -> None:
    if not 0 <= start < len(points):
        raise InputError(
            f"a pick is not one of {len(points)} points",
            field="start",
            value=start,
            remedy="give an index of the points",
        )


def _check_num(num: int) -> int:
    if num < 1:
        raise InputError("at least one pick is needed", field="num", value=num, remedy="ask for 1 or more")
    return num
