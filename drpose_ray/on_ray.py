"""Connecting a job to Ray: the cluster that RAY_ADDRESS names, or a local instance that ends with the job; and the two
things that several packages ask of it, work on names in actors and a run of Ray Train.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray

from drpose_ray.errors import InputError


@contextmanager
def local_or_cluster_ray(num_cpus: int, object_store_bytes: int = 200 * 2**20) -> Iterator[None]:
    """Be connected to Ray within the block.

    With RAY_ADDRESS set (``ray job submit`` sets it) the job joins that cluster and both arguments are unused.
    Otherwise a local instance with ``num_cpus`` logical CPUs starts in a folder of its own, and is gone afterwards;
    other instances on the machine are left alone. A process that is connected already keeps its connection.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    if address:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        try:
            yield
        finally:
            ray.shutdown()
        return
    # A private instance on one machine needs no token; a cluster's setting is its owner's.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # short: Ray keeps unix sockets below it
    try:
        # The dashboard stays at its default, on if it comes up in time: with it off, Ray Train's cleaner logs a warning
        # every second; with it demanded, a busy machine that is slow to start it fails here.
        ray.init(
            "local",
            num_cpus=num_cpus,
            object_store_memory=object_store_bytes,
            _temp_dir=folder,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def map_in_actors(
    make_worker: Callable[[], Callable[[str], None]], names: Sequence[str], workers: int, gpus_per_worker: float = 0
) -> Iterator[str]:
    """Hand every name to one of ``workers`` Ray actors of one CPU; yields it when its work is done, in any order.

    ``make_worker`` is called once in each actor; what it returns is called with name after name. No names, no Ray.
    """
    if not names:
        return
    import ray.data  # costs seconds, which only who maps should pay

    workers = min(workers, len(names))
    with local_or_cluster_ray(num_cpus=workers):
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = ray.data.from_items([{"name": name} for name in names], override_num_blocks=len(names)).map_batches(
            _Worker,
            fn_constructor_args=(make_worker,),
            batch_size=1,
            num_cpus=1,
            num_gpus=gpus_per_worker or None,
            compute=ray.data.ActorPoolStrategy(size=workers),
        )
        for row in rows.iter_rows():
            yield row["name"]


def run_trainer(trainer: Any) -> None:
    """``trainer.fit()``; input that a worker refused is raised here as that InputError."""
    from ray.train.v2.api.exceptions import WorkerGroupError

    try:
        trainer.fit()
    except WorkerGroupError as error:
        for failure in error.worker_failures.values():
            if isinstance(failure, InputError):
                raise failure from error
        raise


class _Worker:
    """What ``map_in_actors`` runs in each actor."""

    def __init__(self, make_worker: Callable[[], Callable[[str], None]]) -> None:
        self._work = make_worker()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        (name,) = batch["name"]
        self._work(str(name))
        return {"name": [str(name)]}
