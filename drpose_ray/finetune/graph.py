"""The reference gradient: Algorithm 1 as it reads, one autograd graph over all trained denoiser calls.

Its memory grows with K. It exists to be obviously right; ``replay.py`` is the one to train with.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, VarianceNoise
from drpose_ray.finetune.gradient_report import GradientReport
from drpose_ray.finetune.plan import TrainPlan


def gradient(
    denoiser: Denoiser,
    frozen_denoiser: Denoiser,
    noise: Float[Tensor, "M B V C h w"],
    variance_noise: VarianceNoise | None,
    condition: object,
    sampler: DdimSampler,
    plan: TrainPlan,
    reward_fn: Callable[[Tensor], Tensor],
    kl_weight: float,
    backward: Callable[[Tensor], object] = Tensor.backward,
) -> GradientReport:
    """Accumulate the gradient of Eq. 2 into the denoiser's parameters. Called as ``finetune.replay.gradient``."""
    x, divergences, x0 = noise, [], {}
    for t in plan.executed_steps:
        timestep = sampler[t].timestep
        with torch.set_grad_enabled(t in plan.train_steps):
            output = denoiser(x.detach(), timestep, condition)
        if t in plan.train_steps and kl_weight:
            with torch.no_grad():
                initial = frozen_denoiser(x.detach(), timestep, condition)
            divergences.append((output - initial).square().mean())
        if t in plan.stops:
            x0[t] = sampler[t].project(x, output)
        if t != plan.stop_step:
            x = sampler[t].advance(x, output, sampler.noise_for(t, variance_noise))

    reward = torch.stack([reward_fn(x0[stop]) for stop in plan.stops]).mean(0)
    kl = torch.stack(divergences).mean() if divergences else torch.zeros(())
    loss = (1 - reward).mean() + kl_weight * kl
    if plan.active_steps:
        backward(loss)
    return GradientReport(
        reward.detach(),
        kl.item(),
        loss.item(),
        x0[plan.stop_step].detach(),
        plan.active_steps,
        len(plan.executed_steps),
    )
