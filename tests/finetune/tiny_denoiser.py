"""The small denoisers and draws that the gradient tests share."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from drpose_ray.diffusion.ddim import DdimSampler, draw_noise
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.finetune.plan import TrainPlan

SHAPE = (2, 3, 4, 6, 6)  # (M, V, C, h, w)


class TinyDenoiser(nn.Module):
    """A conv net that depends on its latents, its timestep and its condition; counts its calls and their graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mix, self.leave = (
            nn.Conv2d(5, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Conv2d(8, 4, 1),
        )
        self.timesteps: list[int] = []
        self.graphs: list[bool] = []

    def forward(self, latents: torch.Tensor, timestep: int, condition: Any) -> torch.Tensor:
        assert not latents.requires_grad, "Algorithm 1 detaches the denoiser's input"
        flat = latents.flatten(0, 2)
        hint = condition.expand(*latents.shape[:3], 1, *latents.shape[4:]).flatten(0, 2)
        hidden = torch.sin(self.enter(torch.cat([flat, hint * (1 + timestep / 1000)], 1)))
        output: torch.Tensor = self.leave(torch.tanh(self.mix(hidden)) + hidden * timestep / 1000)
        self.timesteps.append(timestep)
        self.graphs.append(output.requires_grad)
        return output.unflatten(0, latents.shape[:3])


@dataclass
class Case:
    """One iteration's inputs, for both gradients."""

    denoiser: TinyDenoiser
    frozen: TinyDenoiser
    noise: torch.Tensor
    variance: dict[int, torch.Tensor]
    condition: torch.Tensor
    sampler: DdimSampler
    plan: TrainPlan
    kl_weight: float
    target: torch.Tensor

    def reward(self, latents_x0: torch.Tensor) -> torch.Tensor:
        return -(torch.sigmoid(latents_x0) - self.target).square().mean((0, 2, 3, 4, 5))

    def parts(self) -> tuple[Any, ...]:
        """The positional arguments of ``gradient``."""
        return (
            self.denoiser, self.frozen, self.noise, self.variance.__getitem__, self.condition, self.sampler, self.plan,
            self.reward, self.kl_weight,
        )  # fmt: skip

    def gradients(self) -> list[torch.Tensor]:
        """Take the accumulated gradient away from the parameters."""
        taken = [p.grad for p in self.denoiser.parameters() if p.grad is not None]
        self.denoiser.zero_grad(set_to_none=True)
        assert len(taken) == 6
        return taken


def make_case(
    plan: TrainPlan,
    *,
    prediction_type: str = "v_prediction",
    eta: float = 0.0,
    kl_weight: float = 0.5,
    dtype: torch.dtype = torch.float64,
) -> Case:
    schedule = NoiseSchedule.from_config(
        {
            "beta_schedule": "linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "prediction_type": prediction_type,
            "steps_offset": 1,
            "set_alpha_to_one": False,
            "clip_sample": False,
        }
    )
    T = plan.num_sampling_steps
    torch.manual_seed(1)
    denoiser = TinyDenoiser().to(dtype)
    frozen = copy.deepcopy(denoiser).requires_grad_(False)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    draw = {step: draw_noise(0, ["anna", "ben"], SHAPE, step).to(dtype) for step in range(1, T + 2)}
    condition, target = torch.randn(2, 1, 1, 6, 6, dtype=dtype), torch.rand(4, 6, 6, dtype=dtype)
    sampler = DdimSampler(schedule, T, eta)
    return Case(denoiser, frozen, draw.pop(T + 1), draw, condition, sampler, plan, kl_weight, target)


def relative_error(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """Largest relative L2 error over the tensors."""
    return max(float((a - e).norm() / e.norm()) for a, e in zip(actual, expected, strict=True))
