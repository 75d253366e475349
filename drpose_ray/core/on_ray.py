"""Connecting a job to Ray: the cluster that RAY_ADDRESS names, or a private instance that ends with the job; and what
several packages ask of it: work on names in pools of actors, and refusals that arrive as they were raised.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import ray
from ray._raylet import InnerGcsClient  # type: ignore[attr-defined]

from drpose_ray.core.errors import InputError, refusal_in
from drpose_ray.core.files.reading import reason
from drpose_ray.core.private_ray.on_ray import core_unheard, private_ray
from drpose_ray.core.progress import Progress
from drpose_ray.core.stopping import keeping_answers

if TYPE_CHECKING:
    import ray.data

_JOIN_SECONDS = 30.0
_GREETING_SECONDS = 5.0  # of one attempt; Ray takes three times as long to give up

T = TypeVar("T")


@contextmanager
def local_or_cluster_ray(num_cpus: int, object_store_bytes: int = 200 * 2**20) -> Iterator[None]:
    """Be connected to Ray within the block.

    With RAY_ADDRESS set (``ray job submit`` sets it) the job joins that cluster, with whatever authentication it has,
    and both arguments are unused. Otherwise a private instance with ``num_cpus`` logical CPUs starts, which nobody else
    can reach, and is gone afterwards; other instances on the machine are left alone. A process that is connected
    already keeps its connection.

    Raises:
        InputError: nothing answers at RAY_ADDRESS within half a minute, or not to this token; or no private instance
            starts on this machine.
    """
    if ray.is_initialized():
        yield
        return
    address = cluster_address()
    if address:
        with Progress("joining the cluster"), keeping_answers(), core_unheard():
            _join(address)
        try:
            yield
        finally:
            ray.shutdown()
        return
    with private_ray(num_cpus, object_store_bytes):
        yield


def cluster_address() -> str | None:
    """Where the cluster is that a job would join; None if it would start a private instance."""
    address = os.environ.get("RAY_ADDRESS")
    return None if address in {None, "", "local"} else address


def _join(address: str) -> None:
    """``ray.init`` for the cluster at ``address``; by itself it waits for minutes, or for ever, where there is none."""
    try:
        if "://" not in address and address != "auto":
            _greet(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:  # ConnectionError is an OSError
        ray.shutdown()
        raise InputError(
            "no Ray cluster to join", field="RAY_ADDRESS", value=f"{address} ({reason(error)})",
            remedy="start the cluster, correct its address or token, or unset RAY_ADDRESS to use this machine alone",
        ) from error  # fmt: skip


def _greet(address: str) -> None:
    """Ask the head its cluster's name. Raises OSError, ValueError or RayError if it does not answer in time."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + _JOIN_SECONDS
    while True:  # a head that has just been started may not listen yet
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=max(end - time.monotonic(), 1)).close()
        except OSError:
            if time.monotonic() + 1 > end:
                raise
            time.sleep(1)
        else:
            break
    InnerGcsClient.standalone(address, None, int(1000 * _GREETING_SECONDS))


def answers(references: Any) -> Any:
    """``ray.get``; input that a task or an actor refused is raised here as that InputError."""
    try:
        return ray.get(references)
    except ray.exceptions.RayError as error:
        refused = refusal_in(error)
        if refused is None:
            raise
        raise refused from None


class Loaded(Generic[T]):
    """What an actor makes in its constructor. What making it refuses is raised by every use of it instead.

    Of an error in a constructor Ray hands on the traceback's text only, and it restarts the actor.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._refused: InputError | None = None
        try:
            self._value = make()
        except InputError as error:
            self._refused = error

    def get(self) -> T:
        """The value. Raises the InputError that making it raised."""
        if self._refused is not None:
            raise self._refused
        return self._value


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
        for row in unrefused((first.union(*others) if others else first).iter_rows()):
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


def _naming(make_worker: Callable[[], Callable[[str], None]]) -> Callable[[str], str]:
    work = make_worker()

    def name_when_done(name: str) -> str:
        work(name)
        return name

    return name_when_done


class _Worker:
    """What ``map_in_pools`` runs in each actor."""

    def __init__(self, make_worker: Callable[[], Callable[[str], str]]) -> None:
        self._work = Loaded(make_worker)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return refusals_in_rows(self._do, batch, ("done",))

    def _do(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        (name,) = batch["name"]
        return {"done": [self._work.get()(str(name))]}


def refusals_in_rows(
    work: Callable[[dict[str, Any]], dict[str, list[str]]], batch: dict[str, Any], columns: Sequence[str]
) -> dict[str, list[str]]:
    """``work(batch)`` as rows of Ray Data with one more column, for ``unrefused``.

    An InputError travels as a value in it: Ray Data would hand on the traceback's text only.
    """
    try:
        done = work(batch)
    except InputError as error:
        refused = json.dumps(error.parts(), default=str)  # plain values as they are, others as text
        return {**{column: [""] for column in columns}, _REFUSED: [refused]}
    return {**done, _REFUSED: [""] * len(done[columns[0]])}


def unrefused(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of ``refusals_in_rows``. Raises the InputError that one of them carries."""
    for row in rows:
        if row[_REFUSED]:
            raise InputError(**json.loads(row[_REFUSED]))
        yield row


_REFUSED = "refused"
