"""DDIM as the affine map it is: ``x' = a x + b out + c z`` and ``x0 = p x + q out`` with numbers per step.

Both gradients of ``finetune/`` are written with these coefficients. Steps count T..1 as in Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import torch_stream
from drpose_ray.diffusion.schedule import NoiseSchedule

# (latents, timestep, condition) -> output
Denoiser = Callable[[Float[Tensor, "M B V C h w"], int, Any], Float[Tensor, "M B V C h w"]]
# The noise z that the step t adds where eta > 0. The same step must give the same noise.
VarianceNoise = Callable[[int], Float[Tensor, "M B V C h w"]]


@dataclass(frozen=True)
class DdimStep:
    """One step from the level of ``timestep`` to the next: ``next = a x + b out + c z``, ``x0 = p x + q out``."""

    timestep: int
    a: float
    b: float
    c: float
    p: float
    q: float

    def project(self, latents: Float[Tensor, "*axes"], output: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """The clean latents that ``output`` predicts at ``latents``."""
        return self.p * latents + self.q * output

    def advance(
        self, latents: Float[Tensor, "*axes"], output: Float[Tensor, "*axes"], noise: Float[Tensor, "*axes"] | None
    ) -> Float[Tensor, "*axes"]:
        """The latents of the next step; ``noise`` is z, None where ``c`` is 0."""
        following = self.a * latents + self.b * output
        return following if noise is None else following + self.c * noise


@dataclass(frozen=True)
class DdimSampler:
    """The DDIM sampler with ``num_steps`` (T) steps; ``sampler[t]`` is the step ``t`` of T..1.

    ``eta`` 0 is deterministic, 1 is as random as DDPM. Equal to diffusers' DDIMScheduler (tested).
    """

    schedule: NoiseSchedule
    num_steps: int
    eta: float = 0.0
    _steps: tuple[DdimStep, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise InputError("eta out of range", field="eta", value=self.eta, remedy="choose 0 to 1")
        steps = tuple(self._step(timestep) for timestep in self.schedule.timesteps(self.num_steps))
        object.__setattr__(self, "_steps", steps)

    def __getitem__(self, step: int) -> DdimStep:
        if not 1 <= step <= self.num_steps:
            raise IndexError(f"step {step} is not in {self.num_steps}..1")
        return self._steps[self.num_steps - step]

    def __iter__(self) -> Iterator[int]:
        """The steps T..1, in the order of sampling."""
        return iter(range(self.num_steps, 0, -1))

    def noise_for(self, step: int, variance_noise: VarianceNoise | None) -> Float[Tensor, "M B V C h w"] | None:
        """The noise z of the step, or None where the step adds none. Raises InputError if it is missing."""
        if self[step].c == 0:
            return None
        if variance_noise is None:
            raise InputError("eta > 0 needs variance noise", field="eta", value=self.eta, remedy="pass variance_noise")
        return variance_noise(step)

    def _step(self, timestep: int) -> DdimStep:
        """DDIM Eq. 12 and 16 (arXiv 2010.02502), sorted by latents, output and noise."""
        level = float(self.schedule.alphas_cumprod[timestep])
        alpha, sigma = level**0.5, (1 - level) ** 0.5
        # x0 = p x + q out, noise = r x + s out.
        if self.schedule.prediction_type == "v_prediction":
            p, q, r, s = alpha, -sigma, sigma, alpha
        else:
            p, q, r, s = 1 / alpha, -sigma / alpha, 0.0, 1.0
        arrived = self.schedule.alpha_cumprod_after(timestep, self.num_steps)
        c = self.eta * ((1 - arrived) / (1 - level) * (1 - level / arrived)) ** 0.5
        signal, direction = arrived**0.5, max(1 - arrived - c * c, 0.0) ** 0.5
        return DdimStep(timestep, a=signal * p + direction * r, b=signal * q + direction * s, c=c, p=p, q=q)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: Float[Tensor, "M B V C h w"],
    condition: object,
    sampler: DdimSampler,
    variance_noise: VarianceNoise | None = None,
) -> Float[Tensor, "M B V C h w"]:
    """Run the sampler from ``noise`` to clean latents, as diffusers' pipelines do.

    Guidance is the denoiser's business: wrap it.
    """
    latents = noise
    for step in sampler:
        output = denoiser(latents, sampler[step].timestep, condition)
        latents = sampler[step].advance(latents, output, sampler.noise_for(step, variance_noise))
    return latents


def draw_noise(
    seed: int, sample_ids: Sequence[str], shape: tuple[int, int, int, int, int], step: int
) -> Float[Tensor, "M B V C h w"]:
    """Standard normal noise on the CPU, keyed by sample: workers and batch size do not change it.

    Args:
        seed: of the run or of one iteration of it.
        sample_ids: B names.
        shape: (M, V, C, h, w) of one sample.
        step: T + 1 by convention for the initial noise, T..1 for the variance noise of that step.
    """
    per_sample = [torch.randn(shape, generator=torch_stream(seed, "noise", name, step)) for name in sample_ids]
    return torch.stack(per_sample, dim=1)
