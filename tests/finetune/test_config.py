from __future__ import annotations

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from tests.finetune.settings import finetune_config


class Job(Config):
    finetune: FinetuneConfig = FinetuneConfig()


def test_defaults_are_the_numbers_of_the_paper() -> None:
    config = FinetuneConfig()
    algorithm, optimizer = config.algorithm, config.optimizer
    assert (algorithm.num_sampling_steps, algorithm.num_train_steps, algorithm.max_early_stop) == (20, 2, 8)
    assert algorithm.kl_weight == 0.01
    assert (optimizer.batch_size, optimizer.gradient_accumulation, optimizer.num_iterations) == (2, 2, 18_000)


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["algorithm.max_early_stop", "21"], "algorithm.max_early_stop"),
        (["algorithm.num_train_steps", "21"], "algorithm.num_train_steps"),
        (["algorithm.num_train_steps", "14", "algorithm.plan", "in_prefix"], "algorithm.num_train_steps"),
        (["algorithm.stops_per_rollout", "9"], "algorithm.stops_per_rollout"),
        (["algorithm.eta", "2"], "algorithm.eta"),
        (["parallel.num_workers", "3"], "optimizer.batch_size"),
        (["parallel.offload", "parameters"], "parallel.offload"),
        (["rollout.actors.staleness", "1"], "rollout.actors.num"),
        (["held_out.every", "9"], "held_out.dataset"),
        (["held_out.dataset", "pairs", "held_out.num", "3", "parallel.num_workers", "2"], "held_out.num"),
    ],
)
def test_settings_that_cannot_train_are_refused_by_field(flags: list[str], field: str) -> None:
    with pytest.raises(InputError) as error:
        load_config(Job, [f"--finetune.{part}" if "." in part else part for part in flags])
    assert error.value.field == f"finetune.{field}"
    assert error.value.remedy


def test_batch_is_shared_out_to_the_workers() -> None:
    assert finetune_config({"optimizer.batch_size": 8, "parallel.num_workers": 4}).batch_size_per_worker == 2
