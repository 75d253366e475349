from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.ddim import DdimSampler
from drpose_ray.diffusion.schedule import NoiseSchedule

RELEASED = {
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
    "thresholding": False,
}
COSINE = {**RELEASED, "beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing", "steps_offset": 0}


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_levels_equal_diffusers(beta_schedule: str) -> None:
    config = {**RELEASED, "beta_schedule": beta_schedule}
    ours, theirs = NoiseSchedule.from_config(config), DDIMScheduler(**config)
    assert ours.alphas_cumprod.dtype == torch.float64
    np.testing.assert_allclose(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=1e-3, atol=1e-6)  # theirs is float32


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("num_steps", [1, 6, 7, 10, 20, 30, 40, 50, 333])
def test_timesteps_equal_diffusers(spacing: str, offset: int, num_steps: int) -> None:
    config = {**RELEASED, "timestep_spacing": spacing, "steps_offset": offset}
    theirs = DDIMScheduler(**config)
    theirs.set_timesteps(num_steps)
    assert NoiseSchedule.from_config(config).timesteps(num_steps) == theirs.timesteps.tolist()


def test_forty_released_steps_are_976_to_1() -> None:
    timesteps = NoiseSchedule.from_config(RELEASED).timesteps(40)
    assert timesteps[:2] == [976, 951] and timesteps[-2:] == [26, 1]


@pytest.mark.parametrize("config", [RELEASED, COSINE])
def test_noising_and_velocity_equal_diffusers_per_domain_and_object(config: dict[str, object]) -> None:
    ours, theirs = NoiseSchedule.from_config(config), DDIMScheduler(**config)
    x0, noise = torch.randn(2, 2, 3, 5, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    timestep = torch.tensor([[0, 500, 999], [1, 250, 750]])
    flat = x0.flatten(0, 1), noise.flatten(0, 1), timestep.flatten()
    torch.testing.assert_close(
        ours.add_noise(x0, noise, timestep).flatten(0, 1), theirs.add_noise(*flat), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        ours.velocity(x0, noise, timestep).flatten(0, 1), theirs.get_velocity(*flat), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(ours.add_noise(x0, noise, 250)[1, 1], ours.add_noise(x0, noise, timestep)[1, 1])


def test_velocity_and_noisy_latents_give_back_both_parts() -> None:
    schedule = NoiseSchedule.from_config(RELEASED)
    x0, noise = torch.randn(2, 4, 8, dtype=torch.float64)
    x, v = schedule.add_noise(x0, noise, 600), schedule.velocity(x0, noise, 600)
    torch.testing.assert_close(schedule.alpha(600) * x - schedule.sigma(600) * v, x0)
    torch.testing.assert_close(schedule.sigma(600) * x + schedule.alpha(600) * v, noise)


def test_file_round_trip_is_read_by_diffusers(tmp_path: Path) -> None:
    schedule = NoiseSchedule.from_config(COSINE)
    (tmp_path / "scheduler_config.json").write_text(json.dumps(schedule.config()))
    assert NoiseSchedule.from_file(tmp_path / "scheduler_config.json") == schedule
    theirs = DDIMScheduler.from_pretrained(tmp_path)
    assert theirs.config.prediction_type == "v_prediction" and not theirs.config.clip_sample


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clip_sample", True),
        ("thresholding", True),
        ("rescale_betas_zero_snr", True),
        ("trained_betas", [0.1]),
        ("beta_schedule", "exp"),
        ("prediction_type", "sample"),
        ("timestep_spacing", "linspace"),
    ],
)
def test_schedules_that_break_the_affine_step_are_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps({**RELEASED, field: value}))
    with pytest.raises(InputError) as error:
        NoiseSchedule.from_file(path)
    assert error.value.field == field and error.value.file == path


def test_missing_keys_mean_what_diffusers_means() -> None:
    with pytest.raises(InputError, match="clip_sample"):
        NoiseSchedule.from_config({})
    assert NoiseSchedule.from_config({"clip_sample": False}).prediction_type == "epsilon"


def test_unreadable_file_and_too_many_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        NoiseSchedule.from_file(tmp_path / "scheduler_config.json")
    with pytest.raises(InputError, match="num_sampling_steps"):
        NoiseSchedule.from_config(RELEASED).timesteps(1001)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("to_one", [True, False])
@pytest.mark.parametrize("total", [1, 2, 10, 50, 1000])
def test_every_sampler_is_diffusers_or_refused(spacing: str, prediction_type: str, to_one: bool, total: int) -> None:
    for offset in {0, 1, 3, total // 2, total - 1}:
        config = {
            **RELEASED, "num_train_timesteps": total, "steps_offset": offset, "timestep_spacing": spacing,
            "set_alpha_to_one": to_one, "prediction_type": prediction_type,
        }  # fmt: skip
        if offset >= total:
            with pytest.raises(InputError, match="steps_offset"):
                NoiseSchedule.from_config(config)
            continue
        schedule, theirs = NoiseSchedule.from_config(config), DDIMScheduler(**config)
        theirs.alphas_cumprod = schedule.alphas_cumprod
        theirs.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64) if to_one else theirs.alphas_cumprod[0]
        for num_steps in {1, 2, 3, total // 3, total - 1, total} - {0}:
            if num_steps > total:
                continue
            theirs.set_timesteps(num_steps)
            expected = theirs.timesteps.tolist()
            if max(expected) >= total:
                with pytest.raises(InputError, match="num_sampling_steps"):
                    DdimSampler(schedule, num_steps, 1.0)
                continue
            sampler = DdimSampler(schedule, num_steps, 1.0)
            assert [sampler[step].timestep for step in sampler] == expected[:num_steps]
            x, out, z = torch.randn(3, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
            for step in list(sampler)[:3] + list(sampler)[-3:]:
                stepped = theirs.step(out, sampler[step].timestep, x, eta=1.0, variance_noise=z)
                torch.testing.assert_close(
                    sampler[step].advance(x, out, z if sampler[step].c else None), stepped.prev_sample,
                    rtol=1e-9, atol=1e-9,
                )  # fmt: skip


def test_a_thousand_steps_with_an_offset_are_one_line() -> None:
    with pytest.raises(InputError, match="timestep 1000, beyond") as refused:
        DdimSampler(NoiseSchedule.from_config(RELEASED), 1000)
    assert refused.value.field == "num_sampling_steps"
    assert len(NoiseSchedule.from_config(RELEASED).timesteps(999)) == 999


def test_the_remedy_for_zero_terminal_snr_is_not_to_change_the_file() -> None:
    with pytest.raises(InputError) as refused:
        NoiseSchedule.from_config({**RELEASED, "rescale_betas_zero_snr": True})
    assert "false" not in refused.value.remedy and "never saw" in refused.value.remedy
