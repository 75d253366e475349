from __future__ import annotations

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.metrics.paired import estimate_mean, measure_change, measure_relative_loss

RNG = np.random.default_rng(0)
BEFORE = RNG.normal(20, 3, 64)
ALONE = [f"pose{i}" for i in range(64)]


def test_a_small_consistent_gain_is_found_under_a_large_spread_of_poses() -> None:
    """Pairing removes the spread between poses: 0.2 is found although poses differ by 3."""
    after = BEFORE - 0.2 + RNG.normal(0, 0.2, 64)
    change = measure_change(BEFORE, after, ALONE, higher_is_better=False, seed=0)
    assert change.improves
    assert not change.worsens
    assert change.change.value == pytest.approx((after - BEFORE).mean())
    assert change.share_improved == pytest.approx((after < BEFORE).mean())


def test_direction_of_better_decides_between_gain_and_loss() -> None:
    after = BEFORE + 1
    assert measure_change(BEFORE, after, ALONE, higher_is_better=True, seed=0).improves
    assert measure_change(BEFORE, after, ALONE, higher_is_better=False, seed=0).worsens


def test_no_change_is_neither_better_nor_worse() -> None:
    after = BEFORE + RNG.permutation(np.repeat([-1.0, 1.0], 32))
    change = measure_change(BEFORE, after, ALONE, higher_is_better=True, seed=0)
    assert not change.improves
    assert not change.worsens
    equal = measure_change(BEFORE, BEFORE, ALONE, higher_is_better=True, seed=0)
    assert equal.share_improved == 0
    assert not equal.improves


def test_interval_agrees_with_the_normal_theory_and_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(3).normal(0, 1, 400)
    groups = [str(i) for i in range(400)]
    interval = estimate_mean(values, groups, seed=0)
    half_width = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.01)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.01)
    assert estimate_mean(values, groups, seed=0) == interval
    assert estimate_mean(values, groups, seed=1) != interval


def test_frames_of_one_window_count_as_one_observation() -> None:
    """Ten copies of each of eight windows carry no more information than the eight."""
    windows = np.random.default_rng(4).normal(0, 1, 8)
    alone = estimate_mean(windows, [str(i) for i in range(8)], seed=0)
    copied = estimate_mean(np.repeat(windows, 10), [str(i) for i in range(8) for _ in range(10)], seed=0)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))


def test_non_inferiority_needs_the_whole_interval_within_the_margin() -> None:
    """A mean loss of 4 % is not enough for a margin of 5 % when the poses disagree."""
    sure = measure_relative_loss(BEFORE, 0.96 * BEFORE, ALONE, higher_is_better=True, seed=0)
    unsure_after = 0.96 * BEFORE + np.random.default_rng(5).normal(0, 8, 64)
    unsure_after += 0.96 * BEFORE.mean() - unsure_after.mean()
    unsure = measure_relative_loss(BEFORE, unsure_after, ALONE, higher_is_better=True, seed=0)
    assert sure.value == pytest.approx(0.04)
    assert unsure.value == pytest.approx(0.04)
    assert sure.high <= 0.05 < unsure.high


def test_relative_loss_of_an_error_counts_growth_as_loss() -> None:
    loss = measure_relative_loss(BEFORE, 1.1 * BEFORE, ALONE, higher_is_better=False, seed=0)
    assert loss.value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("before", "after"), [(np.ones(3), np.ones(4)), (np.ones(0), np.ones(0)), (np.ones(2), np.array([1.0, np.nan]))]
)
def test_values_that_cannot_be_paired_are_refused(before: np.ndarray, after: np.ndarray) -> None:
    with pytest.raises(InputError):
        measure_change(before, after, [str(i) for i in range(len(before))], higher_is_better=True, seed=0)
