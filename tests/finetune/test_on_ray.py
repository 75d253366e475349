"""Runs under Ray Train: what a worker's death, a rerun and bad input do to the result."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.runs.run import read_metrics
from drpose_ray.finetune.checkpoint.zero_checkpoint import find_checkpoint
from drpose_ray.finetune.distributed.train_on_ray import CHECKPOINTS, FinetuneTask, finetune_on_ray
from drpose_ray.reward.config import DistanceConfig
from tests.finetune.tiny_run import TinyLoaders, tiny_config, write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

NAP = 0.2
"""Seconds of each micro-step of a run in which a worker is killed."""


def _task(
    folder: Path, dataset: Path, settings: Mapping[str, object] | None = None, nap_seconds: float = 0.0
) -> FinetuneTask:
    folder.mkdir(parents=True, exist_ok=True)
    loaders = TinyLoaders(nap_seconds=nap_seconds)
    return FinetuneTask(tiny_config(settings), seed=1, dataset=dataset, loaders=loaders, run_folder=folder)


def _ignore(_iteration: int, _metrics: Mapping[str, Any]) -> None:
    pass


def _run(task: FinetuneTask) -> dict[str, torch.Tensor]:
    finetune_on_ray(task, _ignore)
    return load_file(task.model_folder / "weights.safetensors")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> FinetuneTask:
    task = _task(tmp_path_factory.mktemp("undisturbed"), dataset)
    _run(task)
    return task


def _kill_worker_once(task: FinetuneTask, rank: int, after_iteration: int) -> threading.Thread:
    """Send SIGKILL to the worker of ``rank`` as soon as the metrics show ``after_iteration``."""

    def wait_and_kill() -> None:
        while not any(line["step"] >= after_iteration for line in _metrics(task)):
            time.sleep(0.02)
        worker = json.loads((task.run_folder / "workers" / f"rank_{rank:05d}.json").read_text())
        os.kill(worker["pid"], signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


def _metrics(task: FinetuneTask) -> list[dict[str, Any]]:
    return read_metrics(task.run_folder) if (task.run_folder / "metrics.jsonl").exists() else []


def _pids(task: FinetuneTask) -> list[int]:
    return [json.loads(path.read_text())["pid"] for path in sorted((task.run_folder / "workers").iterdir())]


def test_killed_worker_resumes_and_ends_with_the_same_weights(
    tmp_path: Path, dataset: Path, undisturbed: FinetuneTask
) -> None:
    task = _task(tmp_path, dataset, nap_seconds=NAP)
    seen: list[tuple[int, Mapping[str, Any]]] = []
    killer = _kill_worker_once(task, rank=1, after_iteration=2)
    first_pids: list[int] = []

    def on_metrics(iteration: int, metrics: Mapping[str, Any]) -> None:
        first_pids.extend(() if first_pids else _pids(task))
        seen.append((iteration, metrics))

    finetune_on_ray(task, on_metrics)
    assert not killer.is_alive()
    assert set(first_pids).isdisjoint(_pids(task)), "the workers were not restarted"

    weights = load_file(task.model_folder / "weights.safetensors")
    expected = load_file(undisturbed.model_folder / "weights.safetensors")
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name
    assert [iteration for iteration, _ in seen] == list(range(task.config.optimizer.num_iterations))
    for line, undisturbed_line in zip(_metrics(task), _metrics(undisturbed), strict=True):
        assert _without_seconds(line) == _without_seconds(undisturbed_line)


def _without_seconds(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if not name.startswith("seconds_")}


def test_rerun_of_a_finished_folder_trains_nothing_and_other_settings_are_refused(
    tmp_path: Path, dataset: Path, undisturbed: FinetuneTask
) -> None:
    expected = load_file(undisturbed.model_folder / "weights.safetensors")
    before = _metrics(undisturbed)
    moved = shutil.copytree(dataset, tmp_path / "unpacked")  # the same pairs under another path
    weights = _run(dataclasses.replace(undisturbed, dataset=moved))
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert _metrics(undisturbed) == before

    with pytest.raises(InputError) as refused:
        finetune_on_ray(_task(undisturbed.run_folder, dataset, {"algorithm.kl_weight": 0.5}), _ignore)
    assert refused.value.field == "finetune.algorithm.kl_weight" and refused.value.file == undisturbed.run_folder
    heavier = TinyLoaders(distance=DistanceConfig(bce_weight=2.0))
    with pytest.raises(InputError, match=r"another distance\.bce_weight \(1\.0\)"):
        finetune_on_ray(dataclasses.replace(undisturbed, loaders=heavier), _ignore)


def test_another_number_of_workers_is_refused_with_the_way_out(dataset: Path, undisturbed: FinetuneTask) -> None:
    with pytest.raises(InputError, match=r"another finetune\.parallel\.num_workers \(2\)") as refused:
        finetune_on_ray(_task(undisturbed.run_folder, dataset, {"parallel.num_workers": 1}), _ignore)
    assert "jobs/export.py" in str(refused.value)


def test_a_disk_that_fills_up_during_a_checkpoint_costs_only_that_checkpoint(
    tmp_path: Path, dataset: Path, undisturbed: FinetuneTask
) -> None:
    full_disk = tmp_path / "full"
    full_disk.touch()
    folder = tmp_path / "run"
    folder.mkdir()
    loaders = TinyLoaders(full_disk=full_disk)
    task = FinetuneTask(tiny_config({"checkpoint.max_worker_failures": 0}), 1, dataset, loaders, folder)
    with pytest.raises(InputError, match="no space left for the files of the run"):
        finetune_on_ray(task, _ignore)
    kept = find_checkpoint(folder / CHECKPOINTS)
    assert kept.iterations == 2  # of 2, 4 and 6
    torn = folder / CHECKPOINTS / "iteration_00000004"
    shutil.copytree(kept.folder, torn)  # as a copy that broke off would lie there
    with next(torn.glob("engine/*optim_states.pt")).open("r+b") as file:
        file.truncate(100)
    assert find_checkpoint(folder / CHECKPOINTS).iterations == 2
    shutil.rmtree(torn)

    full_disk.unlink()
    finetune_on_ray(task, _ignore)
    weights = load_file(task.model_folder / "weights.safetensors")
    for name, tensor in load_file(undisturbed.model_folder / "weights.safetensors").items():
        assert torch.equal(weights[name], tensor), name


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> FinetuneTask:
    """A run with rollout actors, an average and held-out pairs."""
    held_out = write_tiny_dataset(tmp_path_factory.mktemp("held_out") / "pairs", shards=2)
    settings = {
        "rollout.actors.num": 2, "export.ema_decay": 0.5,
        "held_out.dataset": held_out, "held_out.every": 3, "held_out.num": 4,
    }  # fmt: skip
    task = _task(tmp_path_factory.mktemp("watched"), dataset, settings)
    # What an attempt without a checkpoint left: of another scale perhaps, which nothing would ever beat.
    task.best_folder.mkdir()
    write_json(task.best_folder / "held_out.json", {"iterations": 9, "reward": 1e9})
    _run(task)
    return task


def test_held_out_pairs_are_watched_and_the_best_model_is_kept(watched: FinetuneTask) -> None:
    lines = _metrics(watched)
    rewards = {line["step"] + 1: line["held_out_reward"] for line in lines if "held_out_reward" in line}
    assert sorted(rewards) == [3, 6]
    best = json.loads((watched.best_folder / "held_out.json").read_text())
    assert (watched.best_folder / "README.md").read_text() == f"after {best['iterations']} iterations"
    assert best["iterations"] == max(rewards, key=lambda done: rewards[done])
    assert {p.name for p in (watched.run_folder / "samples").iterdir()} == {f"iteration_{n:08d}.png" for n in (3, 6)}
    averaged, best_weights = (load_file(f / "weights.safetensors") for f in (watched.model_folder, watched.best_folder))
    assert any(not torch.equal(averaged[name], best_weights[name]) for name in averaged), "the average was exported"


def test_a_pool_an_average_and_held_out_pairs_resume_too(tmp_path: Path, watched: FinetuneTask) -> None:
    task = dataclasses.replace(watched, run_folder=tmp_path, loaders=TinyLoaders(nap_seconds=NAP))
    killer = _kill_worker_once(task, rank=0, after_iteration=3)
    weights = _run(task)
    assert not killer.is_alive()
    expected = load_file(watched.model_folder / "weights.safetensors")
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert (task.best_folder / "held_out.json").read_bytes() == (watched.best_folder / "held_out.json").read_bytes()


def test_unfinished_dataset_is_refused_before_any_worker_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a finished dataset"):
        finetune_on_ray(_task(tmp_path / "run", tmp_path / "nowhere"), _ignore)
    assert not list((tmp_path / "run").iterdir())
