from __future__ import annotations

import weakref

import pytest
import torch

from drpose_ray.diffusion.ddim import DdimSampler
from drpose_ray.finetune import graph, replay
from drpose_ray.finetune.plan import TrainPlan
from tests.finetune.tiny_denoiser import make_case, relative_error

PLANS = [
    TrainPlan(10, (7,), 1),
    TrainPlan(10, (3,), 3),
    TrainPlan(10, (8, 3), 2),
    TrainPlan(10, (6, 1), 4),  # trains one of its two
    TrainPlan(10, (9, 7, 5, 3, 1), 1),
    TrainPlan(10, (10, 8, 6, 4, 2), 3),
    TrainPlan(10, tuple(range(10, 0, -1)), 1),
    TrainPlan(10, tuple(range(10, 0, -1)), 8),
]
TOLERANCES = [(torch.float64, 1e-10), (torch.float32, 1e-5)]


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: f"K{len(p.train_steps)}-stop{p.stop_step}")
@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES, ids=["float64", "float32"])
def test_replay_equals_graph(
    plan: TrainPlan, prediction_type: str, eta: float, dtype: torch.dtype, tolerance: float
) -> None:
    case = make_case(plan, prediction_type=prediction_type, eta=eta, dtype=dtype)
    expected = graph.gradient(*case.parts())
    reference = case.gradients()
    actual = replay.gradient(*case.parts())
    assert relative_error(case.gradients(), reference) < tolerance
    assert torch.equal(actual.latents_x0, expected.latents_x0)
    torch.testing.assert_close(actual.reward, expected.reward)
    assert (actual.kl, actual.loss) == pytest.approx((expected.kl, expected.loss), rel=tolerance)
    assert actual.active_steps == expected.active_steps == plan.active_steps


@pytest.mark.parametrize("num_train_steps", [1, 2, 5, 10, 20])
def test_replay_equals_graph_at_twenty_steps(num_train_steps: int) -> None:
    spacing = 20 // num_train_steps
    case = make_case(TrainPlan(20, tuple(range(20, 0, -spacing)), 1), eta=1.0)
    graph.gradient(*case.parts())
    reference = case.gradients()
    replay.gradient(*case.parts())
    assert relative_error(case.gradients(), reference) < 1e-10


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("earlier", [(4,), (3, 5, 9)])
def test_several_stops_of_one_rollout_are_the_mean_of_their_losses(earlier: tuple[int, ...], eta: float) -> None:
    case = make_case(TrainPlan(10, (8, 5, 2), 2, earlier), eta=eta, kl_weight=0)
    singles = []
    for stop in case.plan.stops:
        alone = make_case(TrainPlan(10, (8, 5, 2), stop), eta=eta, kl_weight=0)
        graph.gradient(*alone.parts())
        singles.append([torch.zeros_like(p) if p.grad is None else p.grad for p in alone.denoiser.parameters()])
    expected = [torch.stack(gradients).mean(0) for gradients in zip(*singles, strict=True)]
    for gradient in (graph.gradient, replay.gradient):
        report = gradient(*case.parts())
        assert relative_error(case.gradients(), expected) < 1e-10
        assert report.num_denoiser_calls == 9 + (3 if gradient is replay.gradient else 0)


def test_weights_are_the_derivative_of_x0_by_each_output() -> None:
    case = make_case(TrainPlan(10, (9, 6, 3), 3))
    outputs = {t: torch.zeros((), dtype=torch.float64, requires_grad=True) for t in case.plan.executed_steps}
    x = torch.ones((), dtype=torch.float64)
    for t in case.plan.executed_steps:
        x0, x = case.sampler[t].project(x, outputs[t]), case.sampler[t].advance(x, outputs[t], None)
    x0.backward()
    weights = replay.output_weights(case.sampler, case.plan, case.plan.stop_step)
    assert list(weights) == [9, 6, 3]
    for t, weight in weights.items():
        gradient = outputs[t].grad
        assert gradient is not None and weight == pytest.approx(gradient.item(), rel=1e-12)


def test_rollout_builds_no_graph_and_each_replayed_graph_is_freed_before_the_next() -> None:
    case = make_case(TrainPlan(10, (9, 7, 5, 3, 1), 1))
    alive: list[weakref.ref[torch.Tensor]] = []
    most_alive = 0

    def watch(tensor: torch.Tensor) -> torch.Tensor:
        # The identity view, held by nobody but the autograd graph that saves it.
        nonlocal most_alive
        saved = tensor.detach()
        alive.append(weakref.ref(saved))
        most_alive = max(most_alive, sum(ref() is not None for ref in alive))
        return saved

    def peak(gradient: object, plan: TrainPlan) -> int:
        nonlocal most_alive
        alive.clear()
        most_alive, case.plan = 0, plan
        with torch.autograd.graph.saved_tensors_hooks(watch, lambda saved: saved):
            gradient(*case.parts())  # type: ignore[operator]
        return most_alive

    five, one = case.plan, TrainPlan(10, (5,), 1)
    assert peak(replay.gradient, five) == peak(replay.gradient, one)
    assert peak(graph.gradient, five) > 3 * peak(graph.gradient, one)  # so the count does see graphs
    case.denoiser.graphs.clear()
    case.plan = five
    replay.gradient(*case.parts())
    assert case.denoiser.graphs == [False] * 10 + [True] * 5


def test_frozen_denoiser_is_untouched_and_not_called_without_kl() -> None:
    plan = TrainPlan(10, (8, 3), 2)
    case = make_case(plan)
    before = {name: value.clone() for name, value in case.frozen.state_dict().items()}
    replay.gradient(*case.parts())
    assert case.frozen.timesteps == [701, 201] and not any(case.frozen.graphs)
    assert all(p.grad is None for p in case.frozen.parameters())
    assert all(torch.equal(value, before[name]) for name, value in case.frozen.state_dict().items())

    for gradient in (replay.gradient, graph.gradient):
        case = make_case(plan, kl_weight=0)
        assert gradient(*case.parts()).kl == 0
        assert case.frozen.timesteps == []


def test_reward_model_gets_no_gradient_and_is_called_once() -> None:
    case = make_case(TrainPlan(10, (8, 3), 2))
    scale, calls = torch.ones((), dtype=torch.float64, requires_grad=True), 0

    def reward(latents_x0: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return scale * case.reward(latents_x0)

    replay.gradient(*case.parts()[:7], reward, 0.0)
    assert calls == 1 and scale.grad is None


@pytest.mark.parametrize("objects_per_call", [1, 2, 5])
def test_replaying_a_few_objects_at_a_time_is_the_same_gradient(objects_per_call: int) -> None:
    case = make_case(TrainPlan(10, (6, 1), 4))
    whole = replay.gradient(*case.parts())
    expected = case.gradients()
    report = replay.gradient(*case.parts(), objects_per_call=objects_per_call)
    assert relative_error(case.gradients(), expected) < 1e-12
    assert report.kl == pytest.approx(whole.kl, rel=1e-12) and report.loss == pytest.approx(whole.loss, rel=1e-12)
    assert report.num_denoiser_calls == 7 + (2 if objects_per_call == 1 else 1)


def test_the_rollout_may_use_another_form_of_the_denoiser() -> None:
    case = make_case(TrainPlan(10, (6, 1), 4))
    expected = replay.gradient(*case.parts())
    case.gradients()
    calls = []

    def for_rollout(latents: torch.Tensor, timestep: int, condition: torch.Tensor) -> torch.Tensor:
        calls.append(timestep)
        assert torch.is_inference_mode_enabled()
        return case.denoiser(latents, timestep, condition)

    actual = replay.gradient(*case.parts(), rollout_denoiser=for_rollout)
    assert len(calls) == 7 and torch.equal(actual.latents_x0, expected.latents_x0)


def test_a_compiled_form_serves_the_rollout() -> None:
    """Compiled modules are no plain callables: they have a length, and fail when it is asked for."""
    case = make_case(TrainPlan(4, (3, 1), 1))
    compiled = torch.compile(case.denoiser, backend="eager")
    replay.gradient(*case.parts())
    expected = case.gradients()
    replay.gradient(*case.parts(), rollout_denoiser=compiled)
    assert relative_error(case.gradients(), expected) < 1e-12


def test_backward_is_called_once_per_active_step_with_a_scalar() -> None:
    case = make_case(TrainPlan(10, (6, 1), 4))
    replay.gradient(*case.parts())
    reference = case.gradients()
    seen = []

    def backward(loss: torch.Tensor) -> None:
        seen.append(loss.shape)
        (loss / 2).backward()  # as an engine that averages over two micro-steps

    report = replay.gradient(*case.parts(), backward=backward)
    assert seen == [torch.Size([])]
    assert relative_error([2 * g for g in case.gradients()], reference) < 1e-12
    assert report.num_denoiser_calls == len(case.denoiser.timesteps) / 2 == 8


def test_an_iteration_without_active_steps_reports_its_reward_and_trains_nothing() -> None:
    case = make_case(TrainPlan(10, (2,), 4))
    expected, actual = graph.gradient(*case.parts()), replay.gradient(*case.parts())
    assert actual.loss == expected.loss and actual.active_steps == ()
    assert all(p.grad is None for p in case.denoiser.parameters())


def test_stepping_along_the_gradient_raises_the_reward() -> None:
    case = make_case(TrainPlan(10, (8, 3), 2), kl_weight=0)
    optimizer = torch.optim.SGD(case.denoiser.parameters(), lr=5.0)
    rewards = []
    for _ in range(10):
        rewards.append(replay.gradient(*case.parts()).reward.mean().item())
        optimizer.step()
        optimizer.zero_grad()
    assert rewards == sorted(rewards) and rewards[-1] > rewards[0]


def test_the_sampler_of_the_plan_is_the_one_that_is_stepped() -> None:
    case = make_case(TrainPlan(10, (8, 3), 2), eta=1.0)
    first = replay.gradient(*case.parts()).latents_x0
    assert torch.equal(first, replay.gradient(*case.parts()).latents_x0)  # the eta noise is replayed
    case.sampler = DdimSampler(case.sampler.schedule, 10, eta=0.0)
    assert not torch.equal(first, replay.gradient(*case.parts()).latents_x0)
