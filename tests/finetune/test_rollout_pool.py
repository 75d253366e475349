"""Rollouts and rewards in other processes: the step they give is the one that a worker alone gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from drpose_ray.finetune.on_ray import FinetuneTask, finetune_on_ray
from drpose_ray.runs import read_metrics
from tests.finetune.tiny_run import TermedLoaders, TinyLoaders, tiny_config, write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


def _run(
    folder: Path, dataset: Path, settings: Mapping[str, object] | None = None, loaders: TinyLoaders | None = None
) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    folder.mkdir(parents=True)
    config = tiny_config({"parallel.num_workers": 1, "algorithm.eta": 1.0, **(settings or {})})
    task = FinetuneTask(config, 1, dataset, loaders or TinyLoaders(), folder)

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
    weights, metrics = _run(tmp_path / "run", dataset, {"rollout.actors.num": actors})
    for name, expected in alone[0].items():
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-6)
    for line, expected in zip(metrics, alone[1], strict=True):
        assert line["reward"] == pytest.approx(expected["reward"], abs=1e-6)


def test_a_remote_reward_changes_no_step(tmp_path: Path, dataset: Path, alone: Any) -> None:
    weights, metrics = _run(tmp_path / "run", dataset, {"reward.actor_gpus": 0})
    for name, expected in alone[0].items():
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-6)
    assert [line["reward"] for line in metrics] == pytest.approx([line["reward"] for line in alone[1]], abs=1e-6)


@pytest.mark.parametrize(
    "elsewhere", [{}, {"reward.actor_gpus": 0, "rollout.actors.num": 1, "algorithm.stops_per_rollout": 2}]
)
def test_terms_of_a_reward_are_logged_wherever_it_is(elsewhere: Any, tmp_path: Path, dataset: Path, alone: Any) -> None:
    weights, metrics = _run(tmp_path / "run", dataset, elsewhere, TermedLoaders())
    if not elsewhere:  # 0.5 x 3 r - 0.5 x r is r
        for name, expected in alone[0].items():
            torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-6)
    for line in metrics:
        assert line["reward_three"] == pytest.approx(3 * line["reward_one"], rel=1e-5)
        assert line["reward"] == pytest.approx(line["reward_one"], rel=1e-5)


def test_one_step_of_staleness_changes_all_but_the_first_reward(tmp_path: Path, dataset: Path, alone: Any) -> None:
    _, metrics = _run(tmp_path / "run", dataset, {"rollout.actors.num": 1, "rollout.actors.staleness": 1})
    rewards = [(line["reward"], expected["reward"]) for line, expected in zip(metrics, alone[1], strict=True)]
    assert rewards[0][0] == pytest.approx(rewards[0][1], abs=1e-6)
    # The second rollout was begun before the first step, with the weights of the start.
    assert all(abs(stale - fresh) > 1e-9 for stale, fresh in rewards[1:])
