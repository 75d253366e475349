"""What the guard lets through, on one rank; agreement of ranks follows from its sums being collective."""

from __future__ import annotations

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.finetune import replay
from drpose_ray.finetune.plan import TrainPlan
from drpose_ray.finetune.watch.guard import StepGuard
from tests.finetune.tiny_denoiser import make_case

pytestmark = pytest.mark.usefixtures("one_rank")

CPU = torch.device("cpu")


def seasoned() -> StepGuard:
    guard = StepGuard(10.0, CPU)
    for i in range(30):
        assert guard.accepts(torch.tensor([-2.0 + 0.1 * (-1) ** i]), torch.zeros(1))
    return guard


@pytest.mark.parametrize(("reward", "accepted"), [(-2.5, True), (-20.0, False), (5.0, True), (float("nan"), False)])
def test_spikes_and_nan_are_skipped_and_counted(reward: float, accepted: bool) -> None:
    guard = seasoned()
    assert guard.accepts(torch.tensor([reward]), torch.zeros(1)) is accepted
    assert guard.skipped == (not accepted)


def test_a_gradient_that_is_not_finite_is_skipped() -> None:
    assert not seasoned().accepts(torch.tensor([-2.0]), torch.tensor([float("inf")]))


def test_the_start_of_a_run_is_not_judged_and_a_skipped_reward_is_not_learnt() -> None:
    guard = StepGuard(10.0, CPU)
    assert guard.accepts(torch.tensor([-2.0]), torch.zeros(1)) and guard.accepts(torch.tensor([-50.0]), torch.zeros(1))
    guard = seasoned()
    for _ in range(60):
        assert not guard.accepts(torch.tensor([-20.0]), torch.zeros(1))


def test_state_survives() -> None:
    guard, again = seasoned(), StepGuard(10.0, CPU)
    guard.accepts(torch.tensor([-20.0]), torch.zeros(1))
    again.restore(guard.state())
    assert again.skipped == 1 and not again.accepts(torch.tensor([-20.0]), torch.zeros(1))


def test_a_skipped_micro_step_leaves_no_gradient_and_says_so() -> None:
    case = make_case(TrainPlan(10, (6, 1), 1))
    report = replay.gradient(*case.parts(), accept=lambda _reward, _cotangent: False)
    assert report.active_steps == () and all(p.grad is None for p in case.denoiser.parameters())


def test_a_loss_that_is_not_finite_is_not_back_propagated() -> None:
    guard = StepGuard(10.0, CPU)
    calls: list[torch.Tensor] = []
    assert not guard.backward(torch.tensor(float("nan")), calls.append)
    assert guard.backward(torch.tensor(1.0), calls.append)
    assert len(calls) == 1 and guard.skipped == 1


def test_a_backward_that_was_refused_is_no_trained_step_and_no_part_of_the_kl() -> None:
    case, calls = make_case(TrainPlan(10, (6, 1), 1)), 0

    def refuse_the_first(loss: torch.Tensor) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            return False
        loss.backward()
        return True

    report = replay.gradient(*case.parts(), backward=refuse_the_first)
    whole = replay.gradient(*case.parts())
    assert report.active_steps == (1,) and whole.active_steps == (6, 1)
    assert 0 < report.kl < whole.kl


def test_rewards_that_are_never_finite_end_the_run_with_one_line() -> None:
    guard, nan = StepGuard(10.0, CPU), torch.tensor([float("nan")])
    for _ in range(19):
        assert not guard.accepts(nan, torch.zeros(1))
    assert guard.accepts(torch.tensor([-1.0]), torch.zeros(1)), "in a row"
    for _ in range(19):
        assert not guard.accepts(nan, torch.zeros(1))
    with pytest.raises(InputError, match="nothing is trained"):
        guard.accepts(nan, torch.zeros(1))
