"""Two-round farthest-point sampling, for points that one pass of K rounds cannot afford: a composable core-set.

Round one picks k points in each part, independently; round two samples the union of those picks. The points are cut
with a stride, so that neighbouring frames fall into different parts and no part wastes picks on near-duplicates.

Guarantee, for K picks with k >= K, against the smallest radius OPT with which any K centres cover all points. Let r be
how far the points of a part lie from its K picks: these and the farthest point are K + 1 points at least r apart, two
of which share an optimal centre, so r <= 2 OPT (Gonzalez 1985). The same holds for the union, and by the triangle
inequality the picks of round two cover all points within 4 OPT: at most 4 times the radius of exact sampling, which is
itself between OPT and 2 OPT. (Core-sets that compose: Indyk, Mahabadi, Mahdian and Mirrokni 2014.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.poses.sampling.farthest import (
    FarthestPoints,
    LocalSampler,
    Sampler,
    check_points,
    collect_picks,
    farthest_points,
    iterate_sampler,
)

MakeSampler = Callable[[NDArray[np.float32]], Sampler]
FirstRound = Callable[[Sequence[NDArray[np.float32]], int], list[NDArray[np.int64]]]
"""Parts (N_i, D) and k -> the indices of the picks within each part."""


def pick_each_part(parts: Sequence[NDArray[np.float32]], num: int) -> list[NDArray[np.int64]]:
    """Round one, one part after the other."""
    return [farthest_points(part, num).indices for part in parts]


def core_set(
    points: NDArray[np.float32], num_parts: int, num_per_part: int, first_round: FirstRound = pick_each_part
) -> NDArray[np.int64]:
    """Ascending indices of the picks of round one; index 0 is always among them.

    Raises InputError if points (N, D) are not finite or a number is below 1.
    """
    check_points(points)
    if num_parts < 1 or num_per_part < 1:
        raise InputError(
            "a core-set needs at least one part and one pick in each",
            field="poses.core_set.picks",
            value=(num_parts, num_per_part),
            remedy="give numbers of 1 or more",
        )
    strides = [np.arange(first, len(points), num_parts) for first in range(min(num_parts, len(points)))]
    picks = first_round([points[stride] for stride in strides], num_per_part)
    union: NDArray[np.int64] = np.sort(np.concatenate([s[p] for s, p in zip(strides, picks, strict=True)]))
    return union


class CoreSetSampler:
    """`Sampler` over the points of a core-set; indices are those of all points."""

    def __init__(
        self,
        points: NDArray[np.float32],
        num_parts: int,
        num_per_part: int,
        first_round: FirstRound = pick_each_part,
        make_sampler: MakeSampler = LocalSampler,
    ) -> None:
        self.indices = core_set(points, num_parts, num_per_part, first_round)
        self._sampler = make_sampler(points[self.indices])

    def farthest(self) -> tuple[int, float]:
        """See `Sampler`."""
        index, distance = self._sampler.farthest()
        return int(self.indices[index]), distance

    def take(self, index: int) -> None:
        """See `Sampler`; InputError if the point is not in the core-set."""
        place = int(np.searchsorted(self.indices, index))
        if place == len(self.indices) or self.indices[place] != index:
            raise InputError(
                "the pick is not in the core-set",
                field="index",
                value=index,
                remedy="sample exactly, or with the parts and picks per part that it was made with",
            )
        self._sampler.take(place)

    def exclude(self, start: int, stop: int) -> None:
        """See `Sampler`."""
        first, last = np.searchsorted(self.indices, [start, stop])
        self._sampler.exclude(int(first), int(last))


def core_set_points(
    points: NDArray[np.float32], num: int, num_parts: int, num_per_part: int | None = None
) -> FarthestPoints:
    """Both rounds: ``num`` picks (by default as many in each part), each with its distance to those before it."""
    sampler = CoreSetSampler(points, num_parts, num_per_part or num)
    return collect_picks(iterate_sampler(sampler), num)


def cover_radius(points: NDArray[np.float32], picks: NDArray[np.int64]) -> float:
    """The largest distance of a point to its nearest pick, in the unit of the points."""
    coverage = LocalSampler(points)
    for pick in picks.tolist():
        coverage.take(pick)
    return coverage.farthest()[1]
