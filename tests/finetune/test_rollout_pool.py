"""Rollouts and rewards in other processes: the step they give is the one that a worker alone gives.

The worker is the test's process here; test_on_ray.py has workers of Ray Train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.finetune.data import PairStream
from tests.finetune.tiny_run import TermedLoaders, TinyLoaders, tiny_config, write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session", "one_rank")]

CPU = torch.device("cpu")
Outcome = tuple[dict[str, torch.Tensor], list[dict[str, float]]]


def _run(dataset: Path, settings: Mapping[str, object], loaders: TinyLoaders | None = None) -> Outcome:
    """The weights after three iterations, and each one's metrics."""
    from drpose_ray.finetune.distributed.remote_reward_on_ray import RemoteReward
    from drpose_ray.finetune.distributed.rollout_pool_on_ray import RolloutPool
    from drpose_ray.finetune.engine.engine import DenoiserEngine
    from drpose_ray.finetune.step import Updater

    loaders = loaders or TinyLoaders()
    config = tiny_config({
        "parallel.num_workers": 1, "algorithm.eta": 1.0, "optimizer.num_iterations": 3, **settings
    })  # fmt: skip
    models = loaders.models(config, CPU)
    if config.reward.actor_gpus is not None:
        models = replace(models, pose_score=RemoteReward(loaders.reward, config))
    engine = DenoiserEngine(
        models.denoiser, betas=config.optimizer.betas, weight_decay=config.optimizer.weight_decay,
        max_grad_norm=config.optimizer.max_grad_norm, zero_stage=config.parallel.zero_stage,
        gradient_accumulation=config.optimizer.gradient_accumulation,
    )  # fmt: skip
    pool = RolloutPool(loaders.roller, config, CPU) if config.rollout.actors else None
    pairs = PairStream(ShardReader(dataset, seed=1), config.batch_size_per_worker)
    updater = Updater(config, 1, models, engine, pairs, pool)
    metrics = [updater.update(iteration) for iteration in range(config.optimizer.num_iterations)]
    return engine.state_dict(), metrics


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def alone(dataset: Path) -> Outcome:
    return _run(dataset, {})


@pytest.mark.parametrize("elsewhere", [{"rollout.actors.num": 3}, {"reward.actor_gpus": 0}, {}])
def test_work_elsewhere_changes_no_step(elsewhere: Any, dataset: Path, alone: Outcome) -> None:
    """Neither do the terms of a reward: 0.5 x 3 r - 0.5 x r is r."""
    weights, metrics = _run(dataset, elsewhere, TermedLoaders())
    for name, expected in alone[0].items():
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-6)
    assert [line["reward"] for line in metrics] == pytest.approx([line["reward"] for line in alone[1]], abs=1e-6)
    _assert_terms(metrics)


def test_a_pool_a_remote_reward_and_several_stops_go_together(dataset: Path) -> None:
    elsewhere = {"reward.actor_gpus": 0, "rollout.actors.num": 1, "algorithm.stops_per_rollout": 2}
    _assert_terms(_run(dataset, elsewhere, TermedLoaders())[1])


def _assert_terms(metrics: list[dict[str, float]]) -> None:
    for line in metrics:
        assert line["reward_three"] == pytest.approx(3 * line["reward_one"], rel=1e-5)
        assert line["reward"] == pytest.approx(line["reward_one"], rel=1e-5)


def test_one_step_of_staleness_changes_all_but_the_first_reward(dataset: Path, alone: Outcome) -> None:
    _, metrics = _run(dataset, {"rollout.actors.num": 1, "rollout.actors.staleness": 1})
    rewards = [(line["reward"], expected["reward"]) for line, expected in zip(metrics, alone[1], strict=True)]
    assert rewards[0][0] == pytest.approx(rewards[0][1], abs=1e-6)
    # The second rollout was begun before the first step, with the weights of the start.
    assert all(abs(stale - fresh) > 1e-9 for stale, fresh in rewards[1:])
