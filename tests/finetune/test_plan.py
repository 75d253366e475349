from __future__ import annotations

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.finetune.plan import PlanVariant, TrainPlan, draw_plan


def draws(count: int, variant: PlanVariant, T: int = 20, K: int = 2, m: int = 8) -> list[TrainPlan]:
    rng = np.random.default_rng(0)
    return [draw_plan(rng, T, K, m, variant) for _ in range(count)]


def test_literal_draws_cover_exactly_the_plans_of_algorithm_1() -> None:
    assert {(p.train_steps, p.stop_step) for p in draws(3000, "literal")} == {
        ((s + 10, s), stop) for s in range(1, 11) for stop in range(1, 9)
    }


def test_literal_draws_train_a_single_step_in_35_percent_of_iterations() -> None:
    plans = draws(20_000, "literal")
    single = np.mean([len(plan.active_steps) == 1 for plan in plans])
    assert abs(single - 0.35) < 0.01
    assert {len(plan.active_steps) for plan in plans} == {1, 2}
    assert abs(np.mean([len(plan.executed_steps) for plan in plans]) - 16.5) < 0.1


def test_in_prefix_draws_always_train_K_steps_evenly_spaced_over_the_executed_ones() -> None:
    plans = draws(3000, "in_prefix", K=3)
    assert all(len(plan.active_steps) == 3 for plan in plans)
    for plan in plans:
        spacing = (20 - plan.stop_step + 1) // 3
        assert set(np.diff(plan.train_steps)) == {-spacing}
    assert {plan.stop_step for plan in plans} == set(range(1, 9))
    assert {plan.train_steps[0] for plan in plans} >= {15, 20}  # the start is random too


def test_executed_steps_run_from_T_to_the_stop_and_active_ones_are_among_them() -> None:
    plan = TrainPlan(20, (13, 3), 5)
    assert list(plan.executed_steps) == list(range(20, 4, -1))
    assert plan.active_steps == (13,)
    assert TrainPlan(20, (13, 5), 5).active_steps == (13, 5)


@pytest.mark.parametrize("K", [1, 2, 3, 7, 20])
def test_train_steps_stay_within_T_to_1(K: int) -> None:
    for plan in draws(500, "literal", K=K, m=1):
        assert len(plan.train_steps) == K and set(plan.train_steps) <= set(range(1, 21))


def test_equal_generators_draw_equal_plans() -> None:
    assert draws(50, "literal") == draws(50, "literal")


@pytest.mark.parametrize(
    ("T", "K", "m", "variant", "field"),
    [
        (20, 2, 21, "literal", "max_early_stop"),
        (20, 2, 0, "literal", "max_early_stop"),
        (20, 21, 8, "literal", "num_train_steps"),
        (20, 0, 8, "literal", "num_train_steps"),
        (20, 14, 8, "in_prefix", "num_train_steps"),
    ],
)
def test_impossible_plans_are_refused_by_field(T: int, K: int, m: int, variant: PlanVariant, field: str) -> None:
    with pytest.raises(InputError) as error:
        draw_plan(np.random.default_rng(0), T, K, m, variant)
    assert error.value.field == field


def test_several_stops_are_different_and_the_lowest_ends_the_rollout() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        plan = draw_plan(rng, 20, 2, 8, num_stops=3)
        assert len(set(plan.stops)) == 3 and plan.stop_step == min(plan.stops) and max(plan.stops) <= 8
    once, default = (draw_plan(np.random.default_rng(3), 20, 2, 8, **given) for given in ({"num_stops": 1}, {}))
    assert once == default
