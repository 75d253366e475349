"""Farthest-point sampling over Ray actors: exact, and equal to one process to the index.

Each actor holds a run of the points and their distances to the picks. A round sends one pick to all of them, and each
answers with its farthest point: K rounds of a few hundred bytes, whatever the number of points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.on_ray import answers
from drpose_ray.poses.sampling.farthest import Coverage, check_points, farthest_points

_Farthest = tuple[int, float, NDArray[np.float32]]
"""Index in the part, squared distance, coordinates (D,)."""


@ray.remote(num_cpus=1)
class _Part:
    """One run of the points."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points, self._coverage = points, Coverage(points)

    def point(self, index: int) -> NDArray[np.float32]:
        point: NDArray[np.float32] = self._points[index]
        return point

    def farthest(self) -> _Farthest:
        index, squared = self._coverage.farthest()
        return index, squared, self._points[index]

    def take(self, centre: NDArray[np.float32]) -> _Farthest:
        self._coverage.take(centre)
        return self.farthest()

    def exclude(self, start: int, stop: int) -> _Farthest:
        self._coverage.exclude(start, stop)
        return self.farthest()


class SamplerOnRay:
    """A `poses.sampling.farthest.Sampler` of finite points (N, D), in runs of ``num_actors`` actors; they end with it.

    An actor that dies takes its distances along: the sampling fails and is started again, from stored picks if any.
    Needs a connection to Ray. Raises InputError if points are not finite or there is no actor.
    """

    def __init__(self, points: NDArray[np.float32], num_actors: int) -> None:
        check_points(points)
        if num_actors < 1:
            raise InputError("no actors", field="poses.actors", value=num_actors, remedy="give 1 or more")
        runs = np.array_split(points, min(num_actors, len(points)))
        make: Any = _Part
        self._parts = [make.remote(run) for run in runs]
        self._starts = np.cumsum([0, *map(len, runs)])
        self._candidates: list[_Farthest] = answers([part.farthest.remote() for part in self._parts])

    def farthest(self) -> tuple[int, float]:
        """See `Sampler`."""
        index, squared, _ = self._best()
        return index, float(np.sqrt(max(squared, 0.0)))

    def take(self, index: int) -> None:
        """See `Sampler`."""
        best, _, centre = self._best()
        if index != best:
            owner = int(np.searchsorted(self._starts, index, side="right")) - 1
            centre = answers(self._parts[owner].point.remote(index - int(self._starts[owner])))
        self._candidates = answers([part.take.remote(centre) for part in self._parts])

    def exclude(self, start: int, stop: int) -> None:
        """See `Sampler`."""
        asked: dict[int, Any] = {}
        for i, part in enumerate(self._parts):
            low, high = (min(max(edge, int(self._starts[i])), int(self._starts[i + 1])) for edge in (start, stop))
            if low < high:
                asked[i] = part.exclude.remote(low - int(self._starts[i]), high - int(self._starts[i]))
        for i, answer in asked.items():
            self._candidates[i] = answers(answer)

    def _best(self) -> _Farthest:
        """Over all parts; squared distances are compared, for two of them may have one root. The first part wins."""
        owner = int(np.argmax([squared for _, squared, _ in self._candidates]))
        index, squared, point = self._candidates[owner]
        return index + int(self._starts[owner]), squared, point


def pick_each_part_on_ray(parts: Sequence[NDArray[np.float32]], num: int) -> list[NDArray[np.int64]]:
    """`poses.sampling.core_set.pick_each_part` with one task a part."""
    pick: Any = ray.remote(num_cpus=1)(_pick_part)
    indices: list[NDArray[np.int64]] = answers([pick.remote(part, num) for part in parts])
    return indices


def _pick_part(part: NDArray[np.float32], num: int) -> NDArray[np.int64]:
    return farthest_points(part, num).indices
