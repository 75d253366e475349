"""A flag that would change nothing is refused by the job that is given it; a preset may hold it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drpose_ray.cli import load_job
from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.core.settings.dotted import dotted_names
from drpose_ray.dev.schemas import job_modules


def config_of(job: str) -> type[Config]:
    config: type[Config] = load_job(job).CONFIG
    return config


@pytest.mark.parametrize(
    ("job", "flag", "value", "owner"),
    [
        ("report_reward", "reward.fit.learning_rate", "99", "jobs/fit_reward.py"),
        ("encode_latents", "reward.latents", "x", "jobs/fit_reward.py"),
        ("evaluate", "finetune.algorithm.kl_weight", "0.5", "jobs/finetune.py"),
        ("evaluate", "evaluate.split", "val", "jobs/pipeline.py"),
        ("sweep", "evaluate.guidance_scale", "2", "jobs/evaluate.py"),
        ("sweep", "finetune.algorithm.kl_weight", "0.5", "jobs/finetune.py"),
        ("encode_conditions", "finetune.optimizer.num_iterations", "3", "jobs/finetune.py"),
        ("pipeline", "synthesis.split", "val", "jobs/synthesize.py"),
        ("select_poses", "run.device", "cuda", "jobs/finetune.py"),
        ("make_scans", "run.seed", "3", "jobs/finetune.py"),
    ],
)
def test_the_refusal_names_the_owner(job: str, flag: str, value: str, owner: str) -> None:
    with pytest.raises(InputError, match="no effect in this job") as refused:
        load_config(config_of(job), [f"--{flag}", value])
    assert refused.value.field == f"--{flag}" and owner in str(refused.value.remedy)


def test_a_whole_section_as_json_is_looked_into_and_a_preset_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no effect"):
        load_config(config_of("report_reward"), ["--reward", '{"fit": {"updates": 3}}'])
    preset = tmp_path / "preset.yaml"
    preset.write_text("reward: {fit: {updates: 3}}\ndistance: {bce_weight: 2}\nrun: {device: cpu}\n")
    for job in ("finetune", "evaluate", "fit_reward", "select_poses"):
        load_config(config_of(job), ["--config", str(preset)])
    load_config(config_of("finetune"), ["--distance.bce_weight", "2"])


def test_a_flag_that_is_none_keeps_its_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean"):
        load_config(config_of("finetune"), ["--distance.bce_wight", "2"])


def test_jobs_name_only_fields_that_there_are() -> None:
    for job in job_modules():
        config = getattr(load_job(job), "CONFIG", None)
        for section, fields in config.USES.items() if config else ():
            assert set(fields) <= set(dotted_names(config.model_fields[section].annotation)), job
