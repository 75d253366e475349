"""DrPose on a Ray cluster: data-parallel workers under Ray Train and DeepSpeed, restarted from checkpoints.

Pairs, models and the run folder are read and written by the workers themselves, so every node must see them under the
same paths. Ray carries only settings out and a few numbers back.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from drpose_ray.core.errors import InputError, is_no_space, no_space
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.runs.origin import FileHashes, continue_as, say_resuming
from drpose_ray.core.runs.run import Run, following_metrics
from drpose_ray.core.seeding import derive_seed
from drpose_ray.core.training.on_ray import run_trainer
from drpose_ray.datasets.shards.cache import shard_files
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.datasets.store.open import open_store
from drpose_ray.finetune.distributed.loaders import Loaders
from drpose_ray.finetune.distributed.origin import settings_origin
from drpose_ray.finetune.settings.finetune import FinetuneConfig

if TYPE_CHECKING:  # only workers pay for importing DeepSpeed and diffusers: seconds of CPU in each process
    from drpose_ray.finetune.checkpoint.checkpoint import RunState
    from drpose_ray.finetune.engine.average import WeightAverage
    from drpose_ray.finetune.engine.engine import DenoiserEngine

CHECKPOINTS = "checkpoints"
MODEL, BEST, SAMPLES, HELD_OUT = "model", "best", "samples", "held_out"
_WAYS_OUT = {
    "finetune.parallel.num_workers": "resume with that number: optimiser state and places in the data are cut by it. "
    "Or export the checkpoint (jobs/export.py) and begin a new run with it as finetune.model.base: its optimiser "
    "starts anew, and the KL term is then measured from there"
}
"""What to do instead of changing a setting in the middle of a run, where there is more to say than to begin again."""


@dataclass(frozen=True)
class FinetuneTask:
    """One run: what its workers are told. Picklable, with absolute paths: workers change their current directory."""

    config: FinetuneConfig
    seed: int
    dataset: Path  # shards of (image, pose) pairs
    loaders: Loaders
    run_folder: Path
    use_gpu: bool = False  # one for each worker

    @property
    def model_folder(self) -> Path:
        """Where the post-trained model is published at the end."""
        return self.run_folder / MODEL

    @property
    def best_folder(self) -> Path:
        """Where the model with the best held-out reward is published, if pairs are held out."""
        return self.run_folder / BEST


def finetune_on_ray(task: FinetuneTask, on_metrics: Callable[[int, Mapping[str, Any]], None]) -> None:
    """Run ``task`` to its last iteration and publish the model in ``task.model_folder``.

    A run folder with checkpoints is continued from the last one; a worker that dies costs the iterations since then and
    at most ``max_worker_failures`` restarts. ``on_metrics(iteration, metrics)`` is called here, once per iteration.

    Raises InputError if the dataset or the models do not fit, or if checkpoints were begun with anything else that the
    weights depend on (``origin``).
    """
    _warn_of_skipped(_pairs_reader(task, 0))  # refuses an unfit dataset before workers start
    _continue_or_begin(task)
    use_gpu = task.use_gpu
    trainer = TorchTrainer(
        # Not as train_loop_config: Ray would unpickle that in its controller too, with all that the task imports.
        functools.partial(_work, task),
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=task.config.parallel.num_workers, use_gpu=use_gpu),
        run_config=RunConfig(
            name=CHECKPOINTS,
            storage_path=str(task.run_folder),
            failure_config=FailureConfig(max_failures=task.config.checkpoint.max_worker_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
            # One thread per worker on CPUs: sums then have one order, and workers do not fight for cores.
            worker_runtime_env={"env_vars": {} if use_gpu else {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}},
        ),
    )
    with following_metrics(task.run_folder, on_metrics):
        run_trainer(trainer)


def _work(task: FinetuneTask) -> None:
    """``_train``, with a full disk told from other failures."""
    try:
        _train(task)
    except InputError:
        raise
    except Exception as error:
        if not is_no_space(error):
            raise
        raise no_space(task.run_folder, error) from error


def _train(task: FinetuneTask) -> None:
    """One worker's run, from wherever the last checkpoint left it."""
    from drpose_ray.finetune.checkpoint import checkpoint
    from drpose_ray.finetune.data import PairStream
    from drpose_ray.finetune.distributed.remote_reward_on_ray import RemoteReward
    from drpose_ray.finetune.distributed.rollout_pool_on_ray import RolloutPool
    from drpose_ray.finetune.engine.average import WeightAverage
    from drpose_ray.finetune.engine.engine import DenoiserEngine
    from drpose_ray.finetune.step import Updater
    from drpose_ray.finetune.watch.held_out import HeldOutFolders, HeldOutWatch

    config, context = task.config, ray.train.get_context()
    rank = context.get_world_rank()
    write_json(_worker_file(task.run_folder, rank), {"rank": rank, "pid": os.getpid(), "host": platform.node()})

    reader = _pairs_reader(task, rank)
    warned = set(reader.skipped)  # what the listing told, the driver has said
    pairs = PairStream(reader, config.batch_size_per_worker)
    # Not get_device() alone: to a worker without a GPU of its own, Ray gives the first of its machine.
    models = task.loaders.models(config, get_device() if task.use_gpu else torch.device("cpu"))
    if config.reward.actor_gpus is not None:
        models = dataclasses.replace(models, pose_score=RemoteReward(task.loaders.reward, config))
    engine = DenoiserEngine(
        models.denoiser,
        betas=config.optimizer.betas,
        weight_decay=config.optimizer.weight_decay,
        max_grad_norm=config.optimizer.max_grad_norm,
        gradient_accumulation=config.optimizer.gradient_accumulation,
        zero_stage=config.parallel.zero_stage,
        precision=getattr(torch, config.model.precision),
        offload_optimizer="optimizer" in config.parallel.offload,
        offload_parameters="parameters" in config.parallel.offload,
    )
    average = None if config.export.ema_decay is None else WeightAverage(engine, config.export.ema_decay)
    pool = None
    if config.rollout.actors:
        pool = RolloutPool(task.loaders.roller, config, engine.device)
    updater = Updater(config, task.seed, models, engine, pairs, pool)
    start = 0
    if latest := ray.train.get_checkpoint():
        with latest.as_directory() as folder:
            state = checkpoint.restore(Path(folder), rank, engine, average)
        pairs.restore(state.pairs)
        updater.guard.restore(state.guard)
        start = state.iterations

    run = Run(task.run_folder, "finetune", start_step=start) if rank == 0 else None
    watch = None
    if config.held_out:
        folders = HeldOutFolders(
            base=task.run_folder / HELD_OUT, samples=task.run_folder / SAMPLES, best=task.best_folder
        )
        watch = HeldOutWatch(config, task.seed, rank, models, engine, folders)
    for iteration in range(start, config.optimizer.num_iterations):
        metrics = updater.update(iteration)
        for name in sorted(reader.skipped.keys() - warned):
            warned.add(name)
            warnings.warn(f"rank {rank} leaves out the corrupted shard {name}: {reader.skipped[name]}", stacklevel=1)
        if average and metrics["active_steps"]:
            average.update()
        done = iteration + 1
        last = done == config.optimizer.num_iterations
        if watch and config.held_out and (done % config.held_out.every == 0 or last):
            metrics |= watch.look(done)
        if run:
            run.log_metrics(iteration, metrics)
        if done % config.checkpoint.every == 0 or last:
            state = checkpoint.RunState(done, updater.pairs_state(), updater.guard.state())
            _report_checkpoint(rank, engine, state, average, metrics)

    weights = {**engine.state_dict(), **(average.whole() if average else {})}
    if rank == 0:
        models.export(weights, task.model_folder, config.optimizer.num_iterations)


def _pairs_reader(task: FinetuneTask, rank: int) -> ShardReader:
    config = task.config
    return ShardReader(
        task.dataset,
        seed=derive_seed(task.seed, "pairs"),
        rank=rank,
        world_size=config.parallel.num_workers,
        corrupted=config.data.corrupted,
        files=shard_files(open_store(task.dataset), config.data.cache.folder, int(config.data.cache.gib * 2**30)),
    )


def _warn_of_skipped(reader: ShardReader) -> None:
    """For what the listing tells; workers warn of what they find when they open a shard."""
    if reader.skipped:
        found = ", ".join(f"{name} ({why})" for name, why in reader.skipped.items())
        warnings.warn(f"corrupted shards are left out of training: {found}", stacklevel=3)


def _report_checkpoint(
    rank: int, engine: DenoiserEngine, state: RunState, average: WeightAverage | None, metrics: Mapping[str, float]
) -> None:
    """Every rank saves and reports its part; Ray merges them, and registers the checkpoint once all have arrived."""
    from drpose_ray.finetune.checkpoint import checkpoint

    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), rank, engine, state, average)
        ray.train.report(
            dict(metrics),
            checkpoint=Checkpoint.from_directory(folder),
            checkpoint_dir_name=f"iteration_{state.iterations:08d}",
        )


def _continue_or_begin(task: FinetuneTask) -> None:
    """Keep a run folder from mixing two runs: checkpoints continue under what they were begun with.

    Without a checkpoint nothing is continued, so what an earlier attempt saw of its held-out pairs goes: its rewards
    and the base's pictures may be of another run.
    """
    checkpoints = task.run_folder / CHECKPOINTS
    begun = any(checkpoints.glob("iteration_*"))
    if not begun:
        for name in (HELD_OUT, SAMPLES, BEST):
            shutil.rmtree(task.run_folder / name, ignore_errors=True)
    kept = [
        int(path.parent.name.rpartition("_")[2]) for path in checkpoints.glob("iteration_*/progress_rank_00000.json")
    ]
    hashes = FileHashes(task.run_folder / "hashes.json")
    origin = {
        **settings_origin(task.config, task.seed, task.dataset), **task.loaders.origin(task.config, hashes)
    }  # fmt: skip
    continue_as(task.run_folder / "origin.json", origin, begun=begun, noun="checkpoints", remedies=_WAYS_OUT)
    say_resuming("iteration", max(kept, default=0), task.config.optimizer.num_iterations)


def _worker_file(run_folder: Path, rank: int) -> Path:
    return run_folder / "workers" / f"rank_{rank:05d}.json"
