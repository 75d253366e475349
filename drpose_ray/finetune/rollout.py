"""The part of Algorithm 1 that needs no gradient: from noise to x0, keeping the latents of the active steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, VarianceNoise
from drpose_ray.finetune.plan import TrainPlan


@dataclass(frozen=True)
class Rollout:
    """One no-gradient pass; tensors are (M, B, V, 4, h, w)."""

    latents_x0: torch.Tensor  # the projection at the stop step
    latents: dict[int, torch.Tensor]  # what the denoiser saw at each active step


@torch.no_grad()
def rollout(
    denoiser: Denoiser,
    noise: torch.Tensor,
    condition: object,
    sampler: DdimSampler,
    plan: TrainPlan,
    variance_noise: VarianceNoise | None = None,
) -> Rollout:
    """Sample from step T down to the stop step and project to x0 there.

    The denoiser must be deterministic (no dropout), as the replay calls it again at the kept latents. ``no_grad`` and
    not inference mode: the kept latents enter an autograd graph later.
    """
    latents, kept = noise, {}
    for step in plan.executed_steps:
        if step in plan.active_steps:
            kept[step] = latents
        output = denoiser(latents, sampler[step].timestep, condition)
        if step == plan.stop_step:
            break
        latents = sampler[step].advance(latents, output, sampler.noise_for(step, variance_noise))
    return Rollout(sampler[plan.stop_step].project(latents, output), kept)
