from __future__ import annotations

import pytest

from drpose_ray.config import Config, load_config
from drpose_ray.errors import InputError
from drpose_ray.finetune.config import FinetuneConfig


class Job(Config):
    finetune: FinetuneConfig = FinetuneConfig()


def test_defaults_are_the_numbers_of_the_paper() -> None:
    config = FinetuneConfig()
    assert (config.num_sampling_steps, config.num_train_steps, config.max_early_stop, config.kl_weight) == (
        20,
        2,
        8,
        0.01,
    )
    assert (config.batch_size, config.gradient_accumulation, config.num_iterations) == (2, 2, 18_000)


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--finetune.max_early_stop", "21"], "finetune.max_early_stop"),
        (["--finetune.num_train_steps", "21"], "finetune.num_train_steps"),
        (["--finetune.num_train_steps", "14", "--finetune.plan_variant", "in_prefix"], "finetune.num_train_steps"),
        (["--finetune.num_workers", "3"], "finetune.batch_size"),
        (["--finetune.eta", "1.5"], "finetune.eta"),
    ],
)
def test_settings_that_cannot_train_are_refused_by_field(flags: list[str], field: str) -> None:
    with pytest.raises(InputError) as error:
        load_config(Job, flags)
    assert error.value.field == field
    assert error.value.remedy


def test_batch_is_shared_out_to_the_workers() -> None:
    assert FinetuneConfig(batch_size=8, num_workers=4).batch_size_per_worker == 2
