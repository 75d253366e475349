from __future__ import annotations

import pytest
import torch
from torch.nn.functional import mse_loss

from drpose_ray.finetune import graph
from drpose_ray.finetune.plan import TrainPlan
from tests.finetune.tiny_denoiser import Case, make_case, relative_error


def algorithm_1_by_hand(case: Case) -> torch.Tensor:
    """The loss in the textbook's variables (predicted noise and x0, DDIM Eq. 12), not this package's numbers."""
    levels, T = case.sampler.schedule.alphas_cumprod, case.plan.num_sampling_steps
    x, kls = case.noise, []
    for t in range(T, 0, -1):
        timestep = 1 + (t - 1) * (1000 // T)
        now, then = levels[timestep], levels[max(timestep - 1000 // T, 0)]
        out = case.denoiser(x.detach(), timestep, case.condition)
        if t in case.plan.train_steps:
            kls.append(mse_loss(out, case.frozen(x.detach(), timestep, case.condition)))
        else:
            out = out.detach()
        if case.sampler.schedule.prediction_type == "v_prediction":
            eps, x0 = now.sqrt() * out + (1 - now).sqrt() * x, now.sqrt() * x - (1 - now).sqrt() * out
        else:
            eps, x0 = out, (x - (1 - now).sqrt() * out) / now.sqrt()
        if t == case.plan.stop_step:
            break
        std = case.sampler.eta * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
        x = then.sqrt() * x0 + (1 - then - std**2).sqrt() * eps + std * case.variance[t]
    return (1 - case.reward(x0)).mean() + case.kl_weight * sum(kls) / len(kls)  # type: ignore[no-any-return]


@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize(
    "plan", [TrainPlan(10, (8, 3), 2), TrainPlan(10, (9, 4), 4), TrainPlan(10, (6, 1), 3)], ids=str
)
def test_graph_is_algorithm_1_written_by_hand(plan: TrainPlan, eta: float, prediction_type: str) -> None:
    case = make_case(plan, prediction_type=prediction_type, eta=eta)
    expected = algorithm_1_by_hand(case)
    expected.backward()
    by_hand = case.gradients()

    report = graph.gradient(*case.parts())
    assert relative_error(case.gradients(), by_hand) < 1e-12
    assert report.loss == pytest.approx(expected.item(), rel=1e-12)
    assert report.kl > 0 and report.reward.shape == (2,)
    assert report.loss == pytest.approx(1 - report.reward.mean().item() + case.kl_weight * report.kl, rel=1e-12)


def test_only_train_steps_build_a_graph_and_sampling_ends_at_the_stop() -> None:
    case = make_case(TrainPlan(10, (8, 3), 2))
    graph.gradient(*case.parts())
    assert case.denoiser.timesteps == [901, 801, 701, 601, 501, 401, 301, 201, 101]
    assert case.denoiser.graphs == [False, False, True, False, False, False, False, True, False]


def test_gradients_accumulate_over_batches() -> None:
    case = make_case(TrainPlan(10, (8, 3), 2))
    graph.gradient(*case.parts())
    once = [2 * g.clone() for g in case.gradients()]
    graph.gradient(*case.parts())
    graph.gradient(*case.parts())
    assert relative_error(case.gradients(), once) < 1e-12


def test_an_iteration_without_active_steps_has_no_backward() -> None:
    case = make_case(TrainPlan(10, (2,), 4))
    report = graph.gradient(*case.parts())
    assert report.active_steps == () and report.kl == 0
    assert all(p.grad is None for p in case.denoiser.parameters())
