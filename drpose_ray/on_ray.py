"""Connecting a job to Ray: the cluster that RAY_ADDRESS names, or a local instance that ends with the job."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import ray


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
