"""Connecting a job to Ray: the cluster that RAY_ADDRESS names, or a local instance that ends with the job; and the two
things that several packages ask of it, work on names in pools of actors and a run of Ray Train.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray

from drpose_ray.errors import InputError

if TYPE_CHECKING:
    import ray.data


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


@dataclass(frozen=True)
class ActorPool:
    """Ray actors of one CPU, and the names that they work on."""

    make_worker: Callable[[], Callable[[str], str]]
    """Called once in each actor; what it returns is called with name after name. Must be picklable."""
    names: Sequence[str]
    workers: int
    gpus_per_worker: float = 0


def map_in_actors(
    make_worker: Callable[[], Callable[[str], None]], names: Sequence[str], workers: int, gpus_per_worker: float = 0
) -> Iterator[str]:
    """As ``map_in_pools`` with one pool of workers that return nothing; yields each name when its work is done."""
    return map_in_pools([ActorPool(functools.partial(_naming, make_worker), names, workers, gpus_per_worker)])


def map_in_pools(pools: Sequence[ActorPool]) -> Iterator[str]:
    """Hand every name to an actor of its pool; yields what the worker returned for it when it is done, in any order.

    The pools work at the same time. No names, no Ray. A name whose actor or machine dies is handed to another.
    Raises the InputError that a worker raised.
    """
    pools = [pool for pool in pools if pool.names]
    if not pools:
        return
    import ray.data  # costs seconds, which only who maps should pay

    with local_or_cluster_ray(num_cpus=sum(min(pool.workers, len(pool.names)) for pool in pools)):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        # While actors start slowly on a busy machine, Ray Data warns that the job may hang for ever; errors are raised.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # A shard of slow sequences takes hours; what dies is noticed otherwise.
        context.execution_no_progress_timeout_s = -1
        first, *others = [_mapped(pool) for pool in pools]
        for row in (first.union(*others) if others else first).iter_rows():
            if row["refused"]:
                raise InputError(**json.loads(row["refused"]))
            yield row["done"]


def _mapped(pool: ActorPool) -> ray.data.Dataset:
    # One block per name: blocks are what Ray Data retries and what it hands back as progress. One task in flight per
    # actor, so that at the end no actor holds a second name while others have none.
    rows = ray.data.from_items([{"name": name} for name in pool.names], override_num_blocks=len(pool.names))
    return rows.map_batches(
        _Worker,
        fn_constructor_args=(pool.make_worker,),
        batch_size=1,
        num_cpus=1,
        num_gpus=pool.gpus_per_worker or None,
        compute=ray.data.ActorPoolStrategy(size=min(pool.workers, len(pool.names)), max_tasks_in_flight_per_actor=1),
    )


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


def _naming(make_worker: Callable[[], Callable[[str], None]]) -> Callable[[str], str]:
    work = make_worker()

    def name_when_done(name: str) -> str:
        work(name)
        return name

    return name_when_done


class _Worker:
    """What ``map_in_pools`` runs in each actor."""

    def __init__(self, make_worker: Callable[[], Callable[[str], str]]) -> None:
        self._make_worker = make_worker
        self._work: Callable[[str], str] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        (name,) = batch["name"]
        try:
            if self._work is None:  # made here, not in the constructor: that could not hand on what it refuses
                self._work = self._make_worker()
            return {"done": [self._work(str(name))], "refused": [""]}
        except InputError as error:  # as a value: Ray Data would hand on the traceback's text only
            return {"done": [""], "refused": [_to_json(error)]}


def _to_json(error: InputError) -> str:
    text = {name: None if (part := getattr(error, name)) is None else str(part) for name in _PARTS}
    return json.dumps(text)


_PARTS = ("problem", "file", "field", "value", "remedy")
