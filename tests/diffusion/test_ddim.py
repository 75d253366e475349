from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.ddim import DdimSampler, draw_noise, sample
from drpose_ray.diffusion.schedule import NoiseSchedule

LINEAR = {"beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012, "timestep_spacing": "leading"}
LINEAR |= {"steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False}
COSINE = {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing", "clip_sample": False}


def denoise(latents: torch.Tensor, timestep: int, condition: Any) -> torch.Tensor:
    return torch.tanh(latents.flip(-1) + timestep / 1000) * condition


@pytest.mark.parametrize("base", [LINEAR, COSINE], ids=["linear-leading", "cosine-trailing"])
@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("num_steps", [6, 20, 40])
def test_sampling_equals_diffusers(base: dict[str, Any], prediction_type: str, eta: float, num_steps: int) -> None:
    config = {**base, "prediction_type": prediction_type}
    sampler = DdimSampler(NoiseSchedule.from_config(config), num_steps, eta)
    theirs = DDIMScheduler(**config)
    theirs.set_timesteps(num_steps)
    # Their float32 levels are off by 1e-4 at the noisy end; with ours in their place the steps must agree fully.
    theirs.alphas_cumprod = sampler.schedule.alphas_cumprod
    theirs.final_alpha_cumprod = torch.tensor(1.0) if "steps_offset" not in base else theirs.alphas_cumprod[0]

    generator = torch.Generator().manual_seed(3)
    noise, *z = torch.randn(num_steps + 1, 2, 1, 3, 4, 5, 5, generator=generator, dtype=torch.float64)
    expected, condition = noise, 0.7
    for step, timestep in zip(sampler, theirs.timesteps, strict=True):
        output = denoise(expected, int(timestep), condition)
        stepped = theirs.step(output, timestep, expected, eta=eta, variance_noise=z[step - 1] if eta else None)
        torch.testing.assert_close(
            sampler[step].project(expected, output), stepped.pred_original_sample, rtol=1e-10, atol=1e-10
        )
        expected = stepped.prev_sample

    ours = sample(denoise, noise, condition, sampler, lambda step: z[step - 1])
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_step_T_is_the_noisiest_and_step_1_the_last() -> None:
    sampler = DdimSampler(NoiseSchedule.from_config(LINEAR), 20)
    assert list(sampler) == list(range(20, 0, -1))
    assert (sampler[20].timestep, sampler[1].timestep) == (951, 1)
    for step in (0, 21):
        with pytest.raises(IndexError):
            sampler[step]


def test_eta_zero_adds_no_noise_and_eta_one_demands_it() -> None:
    schedule = NoiseSchedule.from_config(LINEAR)
    assert DdimSampler(schedule, 20).noise_for(5, None) is None
    with pytest.raises(InputError, match="variance"):
        sample(denoise, torch.zeros(2, 1, 1, 4, 2, 2), 1.0, DdimSampler(schedule, 20, eta=1.0))
    with pytest.raises(InputError, match="eta"):
        DdimSampler(schedule, 20, eta=1.5)


def test_noise_of_a_sample_does_not_depend_on_its_batch() -> None:
    shape = (2, 3, 4, 5, 5)
    together = draw_noise(7, ["anna", "ben"], shape, 4)
    assert together.shape == (2, 2, 3, 4, 5, 5)
    assert torch.equal(together[:, 1:], draw_noise(7, ["ben"], shape, 4))
    assert not torch.equal(together[:, 0], together[:, 1])
    assert not torch.equal(together, draw_noise(7, ["anna", "ben"], shape, 3))
