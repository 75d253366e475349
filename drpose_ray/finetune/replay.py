"""The gradient of Algorithm 1 without its graph: roll out, differentiate the reward once, replay one call at a time.

Algorithm 1 detaches the denoiser's input and every DDIM step is affine, so with ``g = dL_reward / dx0``

    dL/dtheta = sum over active steps t of  J_theta[out_t]^T (w_t g + w_KL dKL_t / dout_t),

where ``w_t = dx0 / dout_t`` is a number made of DDIM coefficients; with several stops, ``w_t g`` is a mean over them.
Each term needs the kept latents of its step and one forward and backward pass of the denoiser: memory does not grow
with K. Exact while nothing between output and x0 is clipped and the denoiser is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, VarianceNoise
from drpose_ray.finetune.gradient_report import GradientReport
from drpose_ray.finetune.kl import kl_divergence
from drpose_ray.finetune.plan import TrainPlan
from drpose_ray.finetune.rollout import Rollout, rollout


def gradient(
    denoiser: Denoiser,
    frozen_denoiser: Denoiser,
    noise: Float[Tensor, "M B V C h w"],
    variance_noise: VarianceNoise | None,
    condition: Any,
    sampler: DdimSampler,
    plan: TrainPlan,
    reward_fn: Callable[[Tensor], Tensor],
    kl_weight: float,
    backward: Callable[[Tensor], object] = Tensor.backward,
    *,
    rolled: Rollout | None = None,
    rollout_denoiser: Denoiser | None = None,
    rollout_in_inference_mode: bool = True,
    objects_per_call: int | None = None,
    accept: Callable[[Tensor, Tensor], bool] = lambda _reward, _cotangent: True,
) -> GradientReport:
    """Accumulate the gradient of Eq. 2, ``(1 - r) + w_KL KL``, into the denoiser's parameters.

    Args:
        denoiser: the model in training; deterministic.
        frozen_denoiser: the initial model; not called when ``kl_weight`` is 0.
        noise: at step T.
        variance_noise: z of each step; may be None when eta is 0.
        condition: passed to both denoisers; ``condition[slice]`` is that of some of the objects.
        reward_fn: x0 (M, B, V, C, h, w) -> reward (B,), differentiable; the loss averages it over the batch.
        kl_weight: w_KL.
        backward: takes one scalar and back-propagates it, once per active step and in their order. An engine's own
            backward fits; one that refuses a loss returns False, and its step then counts as not trained.
        rolled: the rollout of ``plan``, where it was made elsewhere.
        rollout_denoiser: the same function as ``denoiser`` in a form for inference, e.g. compiled.
        rollout_in_inference_mode: see ``rollout``.
        objects_per_call: replay so many objects at a time instead of all B. Objects do not see each other, so the
            gradient is the same; views and domains of one object do, and stay together.
        accept: sees the reward (B,) and its gradient at x0; where it says no, nothing is replayed.
    """
    if rolled is None:
        rolled = rollout(
            denoiser if rollout_denoiser is None else rollout_denoiser, noise, condition, sampler, plan, variance_noise,
            inference_mode=rollout_in_inference_mode,
        )  # fmt: skip
    rewards, cotangents = zip(*(_differentiate_reward(reward_fn, rolled.x0[stop]) for stop in plan.stops), strict=True)
    reward = torch.stack(rewards).mean(0)
    pulls = _pull_back(cotangents, sampler, plan)
    active = plan.active_steps if accept(reward, torch.stack(cotangents)) else ()
    kl, num_objects = torch.zeros((), dtype=torch.float64, device=noise.device), noise.shape[1]
    chunks = [
        slice(i, i + (objects_per_call or num_objects)) for i in range(0, num_objects, objects_per_call or num_objects)
    ]
    trained = []
    for step in active:
        done = False
        timestep = sampler[step].timestep
        for chunk in chunks:
            latents, given = rolled.latents[step][:, chunk], condition[chunk]
            if kl_weight:  # before the graph below is alive, so that their memory does not add up
                with torch.no_grad():
                    initial_output = frozen_denoiser(latents, timestep, given)
            output = denoiser(latents, timestep, given)
            # Only its gradient means anything: the pull is what the reward loss sends back to this output.
            loss = (pulls[step][:, chunk] * output).sum()
            if kl_weight:
                share = latents.shape[1] / num_objects / len(active)
                divergence = share * kl_divergence(output, initial_output)
                loss = loss + kl_weight * divergence
            if backward(loss) is False:
                continue
            done = True
            if kl_weight:
                kl += divergence.detach()  # read at the end, so that the next call is not waited for
        if done:
            trained.append(step)
    kl_value = float(kl)
    return GradientReport(
        reward,
        kl_value,
        loss=float((1 - reward).mean()) + kl_weight * kl_value,
        latents_x0=rolled.x0[plan.stop_step],
        active_steps=tuple(trained),
        num_denoiser_calls=len(plan.executed_steps) + len(active) * len(chunks),
    )


def _pull_back(cotangents: Sequence[Tensor], sampler: DdimSampler, plan: TrainPlan) -> dict[int, Tensor]:
    """The gradient of the reward loss with respect to the output of each active step."""
    pulls = {step: torch.zeros_like(cotangents[0]) for step in plan.active_steps}
    for stop, cotangent in zip(plan.stops, cotangents, strict=True):
        for step, weight in output_weights(sampler, plan, stop).items():
            pulls[step] += weight / len(plan.stops) * cotangent
    return pulls


def output_weights(sampler: DdimSampler, plan: TrainPlan, stop: int) -> dict[int, float]:
    """``w_t = dx0 / dout_t`` of the active steps from ``stop`` on: ``q`` there, else ``b_t`` carried to it."""
    weights, carried = {stop: sampler[stop].q}, sampler[stop].p
    for step in range(stop + 1, plan.num_sampling_steps + 1):
        weights[step] = sampler[step].b * carried
        carried *= sampler[step].a
    return {step: weights[step] for step in plan.active_steps if step >= stop}


def _differentiate_reward(
    reward_fn: Callable[[Tensor], Tensor], latents_x0: Float[Tensor, "M B V C h w"]
) -> tuple[Float[Tensor, " B"], Float[Tensor, "M B V C h w"]]:
    """The reward and the gradient of ``mean(1 - reward)`` with respect to x0; the reward model gets none."""
    with torch.enable_grad():
        x0 = latents_x0.detach().requires_grad_()
        reward = reward_fn(x0)
        (cotangent,) = torch.autograd.grad((1 - reward).mean(), x0)
    return reward.detach(), cotangent
