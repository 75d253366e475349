"""Farthest-point sampling is exact: the filter changes the cost, not one pick."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.procedural.dance import generate_dances
from drpose_ray.poses.sampling.farthest import (
    Coverage,
    FarthestPoints,
    LocalSampler,
    farthest_points,
    farthest_points_brute,
    iterate_farthest,
)
from drpose_ray.poses.sampling.features import pose_features

Sampling = Callable[[np.ndarray, int], FarthestPoints]


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    return pose_features(np.concatenate([clip.motion for clip in generate_dances(0, 5, 400)]))


def _naive(points: np.ndarray, num: int, start: int) -> list[int]:
    nearest, picks = np.full(len(points), np.inf), [start]
    while len(picks) < num:
        nearest = np.minimum(nearest, ((points.astype(np.float64) - points[picks[-1]]) ** 2).sum(1))
        picks.append(int(nearest.argmax()))
    return picks


def test_filter_brute_force_and_definition_pick_the_same(poses: np.ndarray) -> None:
    filtered, brute = farthest_points(poses, 300, start=7), farthest_points_brute(poses, 300, start=7)
    assert filtered.indices.tolist() == brute.indices.tolist() == _naive(poses, 300, 7)
    np.testing.assert_array_equal(filtered.distances, brute.distances)


@pytest.mark.parametrize("shift", [0.0, 30.0])
@pytest.mark.parametrize("columns", [1, 3, 16, 17, 66])
def test_picks_agree_in_any_dimension_and_away_from_the_origin(columns: int, shift: float) -> None:
    points = (np.random.default_rng(columns).normal(size=(1500, columns)) + shift).astype(np.float32)
    filtered, brute = farthest_points(points, 200), farthest_points_brute(points, 200)
    assert filtered.indices.tolist() == brute.indices.tolist()


def test_distances_never_grow_and_picks_are_a_prefix_of_more_picks(poses: np.ndarray) -> None:
    many, few = farthest_points(poses, 200), farthest_points(poses, 50)
    assert (np.diff(many.distances[1:]) <= 0).all()
    assert many.indices[:50].tolist() == few.indices.tolist()
    assert len(set(many.indices.tolist())) == 200


def test_picks_cover_better_than_chance(poses: np.ndarray) -> None:
    def radius(picks: np.ndarray) -> float:
        return float(np.max([np.min(np.linalg.norm(poses[picks] - point, axis=1)) for point in poses]))

    chance = np.random.default_rng(0).choice(len(poses), 60, replace=False)
    assert radius(farthest_points(poses, 60).indices) < 0.7 * radius(chance)


@pytest.mark.parametrize("sample", [farthest_points, farthest_points_brute])
def test_duplicates_end_the_sampling(sample: Sampling) -> None:
    points = np.repeat(np.random.default_rng(0).normal(size=(6, 66)).astype(np.float32), 5, axis=0)
    assert sorted(sample(points, 30).indices // 5) == list(range(6))
    assert sample(np.ones((9, 66), np.float32), 4).indices.tolist() == [0]


@pytest.mark.parametrize("sample", [farthest_points, farthest_points_brute])
def test_ties_go_to_the_lowest_index(sample: Sampling) -> None:
    # From the centre all corners are alike, and each taken corner leaves the others as far as they were.
    corners = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1], [1, 1]], np.float32)
    assert sample(corners, 5).indices.tolist() == [0, 1, 2, 3, 4]


def test_bad_arguments_are_refused(poses: np.ndarray) -> None:
    broken = poses.copy()
    broken[3, 3] = np.nan
    for points, num, start in ((broken, 5, 0), (poses, 0, 0), (poses, 5, len(poses)), (poses[0], 1, 0)):
        with pytest.raises(InputError):
            farthest_points(points, num, start)


def test_a_sampling_continued_from_its_picks_goes_on_as_if_never_stopped(poses: np.ndarray) -> None:
    whole = list(islice(iterate_farthest(poses, 5), 120))
    first = [index for index, _ in whole[:40]]
    assert list(islice(iterate_farthest(poses, taken=first), 80)) == whole[40:]
    assert list(islice(iterate_farthest(poses, taken=first[::-1]), 80)) == whole[40:]
    with pytest.raises(InputError, match="not one of"):
        next(iterate_farthest(poses, taken=[0, len(poses)]))


def test_excluded_points_are_not_picked_and_cover_nothing(poses: np.ndarray) -> None:
    sampler, rest = LocalSampler(poses), LocalSampler(np.concatenate([poses[:100], poses[900:]]))
    sampler.exclude(100, 900)
    for _ in range(60):
        (index, distance), (other, expected) = sampler.farthest(), rest.farthest()
        assert (index, distance) == (other if other < 100 else other + 800, expected)
        sampler.take(index)
        rest.take(other)
    sampler.exclude(0, len(poses))
    assert sampler.farthest()[1] == 0


@pytest.mark.parametrize("kind", ["offset", "one tight part", "ties", "sorted"])
@pytest.mark.parametrize("num_parts", [2, 7, 40])
def test_parts_that_know_only_their_own_points_agree_on_every_pick(kind: str, num_parts: int) -> None:
    """What makes sampling over actors exact: a pick far outside a part must not slip through the part's bound."""
    points = np.random.default_rng(num_parts).normal(size=(400, 20)).astype(np.float32)
    if kind == "offset":
        points += 1000
    elif kind == "one tight part":
        points[:200] *= 1e-3
    elif kind == "ties":
        points = points.round()[:, :3]
    else:
        points = np.sort(points, axis=0)
    runs = np.array_split(points, num_parts)
    starts = np.cumsum([0, *map(len, runs)])
    parts = [Coverage(run) for run in runs]
    alone = farthest_points(points, 100)
    for pick in alone.indices:
        found = [part.farthest() for part in parts]
        best = int(np.argmax([squared for _, squared in found]))
        assert found[best][0] + starts[best] == pick
        for part in parts:
            part.take(points[pick])
