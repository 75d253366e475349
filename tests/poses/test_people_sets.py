"""Sets of poses to train on: what is drawn, and what farthest-point sampling keeps of it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from drpose_ray.poses.people_config import PeopleSetConfig
from drpose_ray.poses.people_sets import people_windows
from drpose_ray.poses.sampling.features import pose_features

MIXTURE = {"standing": 0.7, "dance": 0.3}


def rows(num: int, candidates: int | None = None) -> np.ndarray:
    windows = people_windows("some", PeopleSetConfig(num=num, seed=3, mixture=MIXTURE, candidates=candidates), ())
    return np.concatenate([window.motion for window in windows])


def nearest(poses: np.ndarray) -> np.ndarray:
    features = pose_features(poses).astype(np.float64)
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1)
    return (distances + np.diag(np.full(len(poses), np.inf))).min(1)


def test_a_longer_set_begins_with_the_shorter_one() -> None:
    np.testing.assert_array_equal(rows(12)[:5], rows(5))


def test_kept_candidates_are_drawn_ones_and_lie_farther_apart() -> None:
    kept, drawn = rows(10, candidates=60), rows(60)
    assert all((drawn == row).all(1).any() for row in kept)
    assert nearest(kept).min() > nearest(rows(10)).min()


def test_fewer_candidates_than_people_are_refused() -> None:
    with pytest.raises(ValidationError, match="candidates 3 are fewer than num 4: draw more"):
        PeopleSetConfig(num=4, seed=0, mixture=MIXTURE, candidates=3)
