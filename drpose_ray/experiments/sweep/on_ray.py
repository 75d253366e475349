"""A sweep on a Ray cluster: one Ray Tune trial per setting, each of them a whole Ray Train run.

Trials are known by their settings, not by Tune's trial ids: a sweep that is run again skips the trials it has measured
and continues those it had begun from their checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from drpose_ray.core.errors import refusal_in
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.on_ray import answers
from drpose_ray.core.runs.origin import FileHashes, continue_as
from drpose_ray.core.tracking.tracker import start_tracking
from drpose_ray.experiments.sweep.space import OBJECTIVE, Trial
from drpose_ray.finetune.distributed.loaders import Loaders
from drpose_ray.finetune.distributed.origin import settings_origin
from drpose_ray.finetune.distributed.train_on_ray import FinetuneTask, finetune_on_ray
from drpose_ray.finetune.settings.finetune import FinetuneConfig

MEASURED_FILE = "measured.json"
TRIAL_DRIVER = "trial_driver"


@dataclass(frozen=True)
class SweepTask:
    """What every trial is told. Picklable, with absolute paths."""

    folder: Path
    seed: int
    dataset: Path
    loaders: Loaders
    judge: Callable[[Path], dict[str, float]]  # model folder -> means over the validation poses
    judged_by: Mapping[str, Any]  # what the measurements depend on, by content
    tracking_uri: str
    parent_run_id: str | None
    use_gpu: bool = False  # one for each worker, and one to judge with


def sweep_on_ray(task: SweepTask, trials: Sequence[Trial], concurrent_trials: int) -> dict[str, dict[str, float]]:
    """Train and judge every trial: name -> measurements. Raises what the first failed trial raised.

    Raises InputError if the folder holds measurements of trials that were trained or judged otherwise.

    A trial's driver only waits for its workers, so it must not hold a CPU they need. It takes the custom resource
    ``trial_driver`` where the cluster has it (on the head, away from spot nodes), else a hundredth of a CPU.
    """
    for trial in trials:
        _continue_or_begin(task, trial)
    todo = {trial.name: trial.config for trial in trials if not _measured_file(task, trial.name).exists()}
    if todo:
        has_slots = ray.cluster_resources().get(TRIAL_DRIVER, 0) >= 1
        driver = tune.with_parameters(_train_and_judge, task=task, configs=todo)
        results = tune.Tuner(
            tune.with_resources(driver, {TRIAL_DRIVER: 1} if has_slots else {"CPU": 0.01}),
            param_space={"name": tune.grid_search(sorted(todo))},
            tune_config=tune.TuneConfig(metric=OBJECTIVE, mode="min", max_concurrent_trials=concurrent_trials),
            run_config=tune.RunConfig(name="tune", storage_path=str(task.folder), verbose=0),
        ).fit()
        for error in results.errors:
            raise refusal_in(error) or error
    return {trial.name: json.loads(_measured_file(task, trial.name).read_text()) for trial in trials}


def judge_on_ray(judge: Callable[[Path], dict[str, float]], model_folder: Path, use_gpu: bool) -> dict[str, float]:
    """``judge(model_folder)``: here, or in a process with a GPU of its own."""
    if not use_gpu:
        return judge(model_folder)
    ask: Any = ray.remote(num_cpus=1, num_gpus=1)(_asked)
    measured: dict[str, float] = answers(ask.remote(judge, model_folder))
    return measured


def _asked(judge: Callable[[Path], dict[str, float]], model_folder: Path) -> dict[str, float]:
    return judge(model_folder)


def _train_and_judge(settings: dict[str, Any], task: SweepTask, configs: dict[str, FinetuneConfig]) -> None:
    """One trial, in its own actor."""
    name = settings["name"]
    folder = task.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    run_id_file = folder / "mlflow_run.json"
    run_id = json.loads(run_id_file.read_text()) if run_id_file.exists() else None
    with start_tracking(task.tracking_uri, "sweep", name, parent=task.parent_run_id, run_id=run_id) as tracker:
        if tracker.run_id is not None:
            write_json(run_id_file, tracker.run_id)
        tracker.log_params(configs[name])
        training = FinetuneTask(configs[name], task.seed, task.dataset, task.loaders, folder, task.use_gpu)
        finetune_on_ray(
            training,
            lambda step, metrics: tracker.log_metrics(step, {k: v for k, v in metrics.items() if v is not None}),
        )
        measured = judge_on_ray(task.judge, training.model_folder, task.use_gpu)
        tracker.log_metrics(
            configs[name].optimizer.num_iterations, {f"validation.{key}": v for key, v in measured.items()}
        )
    tune.report(measured)
    write_json(_measured_file(task, name), measured)


def _continue_or_begin(task: SweepTask, trial: Trial) -> None:
    hashes = FileHashes(task.folder / "hashes.json")
    origin = {
        **settings_origin(trial.config, task.seed, task.dataset),
        **task.loaders.origin(trial.config, hashes),
        **{f"judge.{name}": value for name, value in task.judged_by.items()},
    }
    file = _measured_file(task, trial.name)
    continue_as(file.with_name("measured_origin.json"), origin, begun=file.exists(), noun="measurements")


def _measured_file(task: SweepTask, name: str) -> Path:
    return task.folder / name / MEASURED_FILE
