"""The part of Algorithm 1 that needs no gradient: from noise to x0, keeping the latents of the active steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, VarianceNoise, draw_noise
from drpose_ray.finetune.plan import TrainPlan


@dataclass(frozen=True)
class Rollout:
    """One no-gradient pass."""

    x0: dict[int, Float[Tensor, "M B V C h w"]]  # the projection at each stop
    latents: dict[int, Float[Tensor, "M B V C h w"]]  # what the denoiser saw at each active step


@dataclass(frozen=True)
class RolloutRequest:
    """What decides a rollout, apart from the weights. Noise is drawn from ``noise_seed`` where it is used."""

    plan: TrainPlan
    condition: Any  # of all objects; has ``[slice]`` over them and ``.to(device)``
    sample_ids: tuple[str, ...]
    noise_seed: int

    def part(self, objects: slice) -> RolloutRequest:
        """The request of some of the objects."""
        return RolloutRequest(self.plan, self.condition[objects], self.sample_ids[objects], self.noise_seed)


def rollout(
    denoiser: Denoiser,
    noise: Float[Tensor, "M B V C h w"],
    condition: object,
    sampler: DdimSampler,
    plan: TrainPlan,
    variance_noise: VarianceNoise | None = None,
    *,
    inference_mode: bool = True,
) -> Rollout:
    """Sample from step T down to the stop step, projecting to x0 at each of the plan's stops.

    The denoiser must be deterministic (no dropout), as the replay calls it again at the kept latents.
    ``inference_mode`` is cheaper than ``no_grad``, but not for a denoiser that gathers its weights when called (ZeRO
    3): weights gathered within it could not be trained afterwards.
    """
    with torch.inference_mode() if inference_mode else torch.no_grad():
        latents, kept, x0 = noise, {}, {}
        for step in plan.executed_steps:
            if step in plan.active_steps:
                kept[step] = latents
            output = denoiser(latents, sampler[step].timestep, condition)
            if step in plan.stops:
                x0[step] = sampler[step].project(latents, output)
            if step == plan.stop_step:
                break
            latents = sampler[step].advance(latents, output, sampler.noise_for(step, variance_noise))
    # Tensors of inference mode may not enter an autograd graph; their copies may.
    return Rollout(*({step: latents.clone() for step, latents in found.items()} for found in (x0, kept)))


@dataclass(frozen=True)
class Roller:
    """A denoiser for inference and how to sample with it."""

    denoiser: torch.nn.Module
    sampler: DdimSampler
    latent_shape: tuple[int, int, int, int, int]
    device: torch.device

    def roll(self, request: RolloutRequest) -> Rollout:
        """One rollout, on ``device``."""

        def noise_at(step: int) -> Tensor:
            return draw_noise(request.noise_seed, request.sample_ids, self.latent_shape, step).to(self.device)

        condition = request.condition.to(self.device)
        first = noise_at(self.sampler.num_steps + 1)
        return rollout(self.denoiser, first, condition, self.sampler, request.plan, noise_at)
