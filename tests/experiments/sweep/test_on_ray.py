"""A sweep of two trials under Ray Tune, each of them a Ray Train run of two convolutions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.tracking.tracker import sqlite_uri, start_tracking
from drpose_ray.experiments.sweep.config import SweepConfig
from drpose_ray.experiments.sweep.on_ray import SweepTask, sweep_on_ray
from drpose_ray.experiments.sweep.space import list_trials
from tests.finetune.tiny_run import TinyLoaders, tiny_config, write_tiny_dataset


def _judge(model_folder: Path) -> dict[str, float]:
    with (model_folder / "judged").open("a") as stream:
        stream.write("once\n")
    weights = load_file(model_folder / "weights.safetensors")
    return {"mpjpe_cm": float(sum(tensor.abs().sum() for tensor in weights.values()))}


SHORT = {"parallel.num_workers": 1, "optimizer.num_iterations": 2}


@pytest.mark.slow
def test_trials_are_measured_once_under_one_mlflow_parent(tmp_path: Path, ray_session: None) -> None:
    uri = sqlite_uri(tmp_path)
    shared = tiny_config(SHORT)
    trials = list_trials(SweepConfig(kl_weights=(0.0, 1.0), max_early_stops=(2,)), shared)
    with start_tracking(uri, "sweep", "sweep") as parent:
        task = SweepTask(
            folder=tmp_path / "sweep",
            seed=1,
            dataset=write_tiny_dataset(tmp_path / "pairs"),
            loaders=TinyLoaders(),
            judge=_judge,
            judged_by={"poses": "these"},
            tracking_uri=uri,
            parent_run_id=parent.run_id,
        )
        measured = sweep_on_ray(task, trials, concurrent_trials=2)
        assert measured.keys() == {"kl_0_stop_2", "kl_1_stop_2"}
        assert measured["kl_0_stop_2"] != measured["kl_1_stop_2"]
        assert sweep_on_ray(task, trials, concurrent_trials=2) == measured
        with pytest.raises(InputError, match=r"measurements made with another judge\.poses"):
            sweep_on_ray(replace(task, judged_by={"poses": "others"}), trials, concurrent_trials=2)
        changed = tiny_config({**SHORT, "optimizer.learning_rate": 0.5})
        others = list_trials(SweepConfig(kl_weights=(0.0,), max_early_stops=(2,)), changed)
        with pytest.raises(InputError, match=r"measurements made with another finetune\.optimizer\.learning_rate"):
            sweep_on_ray(task, others, concurrent_trials=2)
    assert all((task.folder / name / "model" / "judged").read_text() == "once\n" for name in measured)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("sweep").experiment_id])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.run_id]
    assert {run.info.run_name for run in children} == set(measured) and len(runs) == 3
    for run in children:
        assert run.info.status == "FINISHED" and "reward" in run.data.metrics
        assert run.data.metrics["validation.mpjpe_cm"] == pytest.approx(measured[run.info.run_name]["mpjpe_cm"])
