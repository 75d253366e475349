"""The noise schedule of a diffusers ``scheduler_config.json``, in float64.

Read from the released file because its values are not the defaults anywhere: the multi-view models of Sec. 4.1 use
linear betas, v-prediction, leading timesteps with offset 1 and a final alpha below one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.weight_files import read_model_json
from drpose_ray.diffusion.component_fields import parse_fields
from drpose_ray.diffusion.schedule_fields import ScheduleFields

_LEAST_SIGNAL: Final = 1e-12
"""Of the noisiest level. Released schedules end between 1e-9 and 1e-2; coefficients of a step divide by it."""


@dataclass(frozen=True)
class NoiseSchedule:
    """``x_t = alpha(t) x_0 + sigma(t) noise`` ; fields and timesteps ``t`` (0..999) are diffusers'."""

    num_train_timesteps: int
    beta_start: float
    beta_end: float
    beta_schedule: str
    prediction_type: str
    timestep_spacing: str
    steps_offset: int
    set_alpha_to_one: bool
    alphas_cumprod: Float64[Tensor, " num_train_timesteps"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas_cumprod", torch.cumprod(1 - self._betas(), 0))

    @staticmethod
    def from_config(config: Mapping[str, Any], file: str | Path | None = None) -> NoiseSchedule:
        """Schedule of a scheduler config, read as diffusers' DDIMScheduler reads it: missing keys have its defaults.

        Raises:
            InputError: a field out of its type or range, an unknown choice, an option under which a DDIM step is not
                affine, or levels that reach zero.
        """
        known = parse_fields(ScheduleFields, config, file)
        schedule = NoiseSchedule(**{f.name: getattr(known, f.name) for f in fields(NoiseSchedule) if f.init})
        if not float(schedule.alphas_cumprod[-1]) > _LEAST_SIGNAL:
            raise InputError(
                "nothing of the signal is left at the noisiest timestep", file=file, field="beta_end",
                value=known.beta_end, remedy="use the schedule that the weights were trained with",
            )  # fmt: skip
        return schedule

    @staticmethod
    def from_file(path: Path) -> NoiseSchedule:
        """Schedule of a ``scheduler_config.json``. Raises InputError if it is missing, not JSON, or unsupported."""
        return NoiseSchedule.from_config(read_model_json(path), file=path)

    def config(self) -> dict[str, Any]:
        """The ``scheduler_config.json`` of this schedule, which diffusers loads as well."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return {"_class_name": "DDIMScheduler", **chosen, "clip_sample": False, "thresholding": False}

    def alpha(self, timestep: int | Int[Tensor, "*axes"]) -> Float64[Tensor, "*axes"]:
        """Signal level at ``timestep``."""
        return self.alphas_cumprod.to(_device(timestep))[timestep].sqrt()

    def sigma(self, timestep: int | Int[Tensor, "*axes"]) -> Float64[Tensor, "*axes"]:
        """Noise level at ``timestep``."""
        return (1 - self.alphas_cumprod.to(_device(timestep))[timestep]).sqrt()

    def add_noise(
        self, x0: Float[Tensor, "*axes"], noise: Float[Tensor, "*axes"], timestep: int | Int[Tensor, ...]
    ) -> Float[Tensor, "*axes"]:
        """``x_t`` of clean latents. A tensor ``timestep`` has the leading axes of ``x0``, e.g. (M, B)."""
        return _leading(self.alpha(timestep), x0) * x0 + _leading(self.sigma(timestep), x0) * noise

    def velocity(
        self, x0: Float[Tensor, "*axes"], noise: Float[Tensor, "*axes"], timestep: int | Int[Tensor, ...]
    ) -> Float[Tensor, "*axes"]:
        """The v-prediction target ``alpha noise - sigma x0``; axes as in ``add_noise``."""
        return _leading(self.alpha(timestep), x0) * noise - _leading(self.sigma(timestep), x0) * x0

    def timesteps(self, num_steps: int) -> list[int]:
        """The timesteps of a DDIM sampler with ``num_steps`` steps, noisiest first, equal to diffusers'."""
        if not 1 <= num_steps <= self.num_train_timesteps:
            raise InputError(
                "a sampler cannot take that many steps",
                field="num_sampling_steps",
                value=num_steps,
                remedy=f"choose 1 to {self.num_train_timesteps}",
            )
        if self.timestep_spacing == "leading":
            stride = self.num_train_timesteps // num_steps
            noisiest = (num_steps - 1) * stride + self.steps_offset
            if noisiest >= self.num_train_timesteps:
                raise InputError(
                    f"a sampler of that many steps would begin at timestep {noisiest}, beyond the schedule's last, "
                    f"{self.num_train_timesteps - 1}", field="num_sampling_steps", value=num_steps,
                    remedy=f"take fewer steps: the schedule's steps_offset is {self.steps_offset}",
                )  # fmt: skip
            return list(range(noisiest, -1, -stride))[:num_steps]
        spaced = np.arange(self.num_train_timesteps, 0, -self.num_train_timesteps / num_steps)
        # In floating point the range can hold one more, which would be timestep -1.
        return [int(t) - 1 for t in np.round(spaced)][:num_steps]

    def alpha_cumprod_after(self, timestep: int, num_steps: int) -> float:
        """Squared signal level that a DDIM step from ``timestep`` arrives at.

        diffusers subtracts the whole-number stride for every spacing, so with trailing timesteps and a ``num_steps``
        that does not divide, this is not exactly the level of the next timestep. Kept, for equal images.
        """
        previous = timestep - self.num_train_timesteps // num_steps
        if previous >= 0:
            return float(self.alphas_cumprod[previous])
        return 1.0 if self.set_alpha_to_one else float(self.alphas_cumprod[0])

    def _betas(self) -> Tensor:
        count = self.num_train_timesteps
        if self.beta_schedule == "linear":
            return torch.linspace(self.beta_start, self.beta_end, count, dtype=torch.float64)
        if self.beta_schedule == "scaled_linear":
            return torch.linspace(self.beta_start**0.5, self.beta_end**0.5, count, dtype=torch.float64) ** 2
        squared_cosine = [math.cos((i / count + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(count + 1)]
        betas = [min(1 - squared_cosine[i + 1] / squared_cosine[i], 0.999) for i in range(count)]
        return torch.tensor(betas, dtype=torch.float64)


def _device(timestep: int | Tensor) -> torch.device:
    return timestep.device if isinstance(timestep, Tensor) else torch.device("cpu")


def _leading(level: Tensor, latents: Tensor) -> Tensor:
    """``level`` of the leading axes of ``latents``, in its dtype and device, ready to multiply it."""
    return level.to(latents).reshape(level.shape + (1,) * (latents.ndim - level.ndim))
