"""The gradient of Algorithm 1 without its graph: roll out, differentiate the reward once, replay one call at a time.

Algorithm 1 detaches the denoiser's input and every DDIM step is affine, so with ``g = dL_reward / dx0``

    dL/dtheta = sum over active steps t of  J_theta[out_t]^T (w_t g + w_KL dKL_t / dout_t),

where ``w_t = dx0 / dout_t`` is a number made of DDIM coefficients. Each term needs the kept latents of its step and one
forward and backward pass of the denoiser: memory does not grow with K. Exact while nothing between output and x0 is
clipped and the denoiser is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, VarianceNoise
from drpose_ray.finetune.kl import kl_divergence
from drpose_ray.finetune.plan import GradientReport, TrainPlan
from drpose_ray.finetune.rollout import rollout


def gradient(
    denoiser: Denoiser,
    frozen_denoiser: Denoiser,
    noise: torch.Tensor,
    variance_noise: VarianceNoise | None,
    condition: object,
    sampler: DdimSampler,
    plan: TrainPlan,
    reward_fn: Callable[[torch.Tensor], torch.Tensor],
    kl_weight: float,
    backward: Callable[[torch.Tensor], object] = torch.Tensor.backward,
) -> GradientReport:
    """Accumulate the gradient of Eq. 2, ``(1 - r) + w_KL KL``, into the denoiser's parameters.

    Args:
        denoiser: the model in training; deterministic.
        frozen_denoiser: the initial model; not called when ``kl_weight`` is 0.
        noise: (M, B, V, 4, h, w) at step T.
        variance_noise: z of each step; may be None when eta is 0.
        condition: passed to both denoisers.
        reward_fn: x0 (M, B, V, 4, h, w) -> reward (B,), differentiable; the loss averages it over the batch.
        kl_weight: w_KL.
        backward: takes one scalar and back-propagates it, once per active step and in their order. An engine's own
            backward fits; ``len(plan.active_steps)`` tells it which call is the last.
    """
    rolled = rollout(denoiser, noise, condition, sampler, plan, variance_noise)
    reward, cotangent = _differentiate_reward(reward_fn, rolled.latents_x0)
    weights = output_weights(sampler, plan)
    active, kl = plan.active_steps, 0.0
    for step in active:
        latents, timestep = rolled.latents[step], sampler[step].timestep
        if kl_weight:  # before the graph below is alive, so that their memory does not add up
            with torch.no_grad():
                initial_output = frozen_denoiser(latents, timestep, condition)
        output = denoiser(latents, timestep, condition)
        # Only its gradient means anything: w_t g is what the reward loss sends back to this output.
        loss = weights[step] * (cotangent * output).sum()
        if kl_weight:
            divergence = kl_divergence(output, initial_output) / len(active)
            loss = loss + kl_weight * divergence
            kl += divergence.item()
        backward(loss)
    return GradientReport(
        reward,
        kl,
        loss=float((1 - reward).mean()) + kl_weight * kl,
        latents_x0=rolled.latents_x0,
        active_steps=active,
        num_denoiser_calls=len(plan.executed_steps) + len(active),
    )


def output_weights(sampler: DdimSampler, plan: TrainPlan) -> dict[int, float]:
    """``w_t = dx0 / dout_t`` of every active step: ``q`` at the stop step, else ``b_t`` carried to it by the ``a``."""
    stop = plan.stop_step
    weights, carried = {stop: sampler[stop].q}, sampler[stop].p
    for step in range(stop + 1, plan.num_sampling_steps + 1):
        weights[step] = sampler[step].b * carried
        carried *= sampler[step].a
    return {step: weights[step] for step in plan.active_steps}


def _differentiate_reward(
    reward_fn: Callable[[torch.Tensor], torch.Tensor], latents_x0: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The reward (B,) and the gradient of ``mean(1 - reward)`` with respect to x0; the reward model gets none."""
    with torch.enable_grad():
        x0 = latents_x0.detach().requires_grad_()
        reward = reward_fn(x0)
        (cotangent,) = torch.autograd.grad((1 - reward).mean(), x0)
    return reward.detach(), cotangent
