"""Rollouts on other processes: the step they give is the one a worker alone gives, also after a worker's death."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.finetune.on_ray import FinetuneTask, finetune_on_ray
from drpose_ray.finetune.rollout import Roller
from drpose_ray.runs import read_metrics
from tests.finetune.tiny_run import tiny_config, tiny_parts, write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


def tiny_roller(config: FinetuneConfig, device: torch.device) -> Roller:
    parts = tiny_parts(config, device)
    return Roller(parts.denoiser.requires_grad_(False), parts.sampler, parts.latent_shape, device)


def _run(folder: Path, dataset: Path, **settings: object) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    folder.mkdir(parents=True)
    config = tiny_config(num_workers=1, batch_size=4, eta=1.0, **settings)
    build_parts = functools.partial(tiny_parts, nap_seconds=0.0)
    task = FinetuneTask(config, 1, dataset, build_parts, folder, load_roller=tiny_roller)

    def ignore(_iteration: int, _metrics: Mapping[str, Any]) -> None:
        pass

    finetune_on_ray(task, ignore)
    return load_file(task.model_folder / "weights.safetensors"), read_metrics(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> tuple[dict[str, torch.Tensor], Any]:
    return _run(tmp_path_factory.mktemp("alone") / "run", dataset)


@pytest.mark.parametrize("actors", [1, 3])
def test_a_pool_changes_no_step(actors: int, tmp_path: Path, dataset: Path, alone: Any) -> None:
    weights, metrics = _run(tmp_path / "run", dataset, rollout_actors=actors)
    for name, expected in alone[0].items():
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-6)
    for line, expected in zip(metrics, alone[1], strict=True):
        assert line["reward"] == pytest.approx(expected["reward"], abs=1e-6)


def test_one_step_of_staleness_changes_all_but_the_first_reward(tmp_path: Path, dataset: Path, alone: Any) -> None:
    _, metrics = _run(tmp_path / "run", dataset, rollout_actors=1, rollout_staleness=1)
    rewards = [(line["reward"], expected["reward"]) for line, expected in zip(metrics, alone[1], strict=True)]
    assert rewards[0][0] == pytest.approx(rewards[0][1], abs=1e-6)
    # The second rollout was begun before the first step, with the weights of the start.
    assert all(abs(stale - fresh) > 1e-9 for stale, fresh in rewards[1:])
