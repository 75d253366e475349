from __future__ import annotations

import torch

from drpose_ray.finetune.kl import kl_divergence
from drpose_ray.finetune.plan import TrainPlan
from tests.finetune.tiny_denoiser import make_case


def test_kl_is_zero_at_the_initial_outputs_and_the_mean_square_elsewhere() -> None:
    initial = torch.randn(2, 1, 3, 4, 6, 6, dtype=torch.float64)
    assert kl_divergence(initial, initial) == 0
    torch.testing.assert_close(kl_divergence(initial + 0.3, initial), torch.tensor(0.09, dtype=torch.float64))


def test_kl_differentiates_into_the_trained_output_alone() -> None:
    output, initial = (torch.randn(3, requires_grad=True) for _ in range(2))
    kl_divergence(output, initial).backward()
    assert output.grad is not None
    assert initial.grad is None


def test_kl_is_the_squared_noise_difference_up_to_the_signal_level() -> None:
    case = make_case(TrainPlan(10, (8, 3), 2), prediction_type="v_prediction")
    alpha, sigma = case.sampler.schedule.alpha(501), case.sampler.schedule.sigma(501)
    v, v_initial = (d(case.noise, 501, case.condition) for d in (case.denoiser, case.frozen))
    noise, noise_initial = (alpha * out + sigma * case.noise for out in (v, v_initial))
    expected = (noise - noise_initial).square().mean() / alpha**2
    torch.testing.assert_close(kl_divergence(v, v_initial), expected)
