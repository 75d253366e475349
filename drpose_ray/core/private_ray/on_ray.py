"""A Ray instance for one process on one machine, which nobody else can reach.

Left to itself Ray listens on every interface, and whoever reaches a port may run code. Here each listener is bound to
loopback, every call needs the token of this instance, and its files lie in a folder that only this user may enter.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._raylet import (  # type: ignore[attr-defined]
    AuthenticationMode,
    AuthenticationTokenLoader,
    Config,
    get_authentication_mode,
)

from drpose_ray.core.errors import InputError, is_no_space
from drpose_ray.core.files.reading import reason
from drpose_ray.core.private_ray.folder import session_folder
from drpose_ray.core.progress import Progress
from drpose_ray.core.stopping import keeping_answers

FOLDER_VARIABLE = "DRPOSE_PRIVATE_RAY"
"""Set in every process of a private instance, to its folder."""

_SHORT = Path("/tmp")  # noqa: S108 - of what is made there each name is new and nobody else may enter
_ATTEMPTS = 3
_PATIENCE = {
    # A busy machine needs more than Ray's own limits of 60 seconds and less.
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
    "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": "300",
}


@contextmanager
def private_ray(
    num_cpus: int, object_store_bytes: int = 200 * 2**20, parent: Path = _SHORT, **settings: Any
) -> Iterator[Path]:
    """Be connected to a new instance with ``num_cpus`` logical CPUs within the block; yields its folder in ``parent``.

    Args:
        settings: Further arguments of ``ray.init``.

    Raises:
        InputError: Ray does not start on this machine, tried three times.
    """
    with session_folder(parent) as folder, _environment(folder):
        _start(folder, {"num_cpus": num_cpus, "object_store_memory": object_store_bytes, **settings})
        try:
            yield folder
        finally:
            ray.shutdown()  # never `ray stop`: it ends every Ray process of the machine


@contextmanager
def core_unheard() -> Iterator[None]:
    """While Ray starts, its C++ core writes to file descriptor 2, past Python, how loud it was told to be."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def instance_folder() -> Path | None:
    """The folder of the private instance that this process belongs to, or None on a cluster or without Ray."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else None


def _start(folder: Path, settings: Mapping[str, Any]) -> None:
    arguments = {"log_to_driver": False, "logging_level": logging.ERROR, **settings}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            # The dashboard stays at its default, on if it comes up in time: with it off, Ray Train's cleaner logs a
            # warning every second; with it demanded, a busy machine that is slow to start it fails here.
            # Ray opens its folder to everybody (mode 0777), so it gets one inside ours.
            with Progress("starting Ray"), keeping_answers(), core_unheard():
                ray.init("local", _temp_dir=str(folder / "r"), **arguments)
        except Exception as error:
            ray.shutdown()
            if isinstance(error, ValueError) or is_no_space(error):
                raise
            if attempt == _ATTEMPTS:
                raise InputError(
                    "Ray does not start on this machine", value=reason(error),
                    remedy="try again when the machine is less busy and has memory to spare (Ray wants about 1 GiB)",
                ) from error  # fmt: skip
        else:
            break
    # A Ray that knows these settings by other names would be open without a word.
    if not ray.util.get_node_ip_address().startswith("127.") or get_authentication_mode() != AuthenticationMode.TOKEN:
        ray.shutdown()
        raise RuntimeError("this version of Ray does not bind to loopback with a token; use the pinned one")


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """The settings of the instance, in this process and for its children; undone afterwards."""
    token = folder / "token"
    with open(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:  # noqa: PTH123
        stream.write(secrets.token_hex(32))
    loopback = next((name for _, name in socket.if_nameindex() if name in {"lo", "lo0"}), "lo")
    changes: dict[str, str | None] = {
        **{name: os.environ.get(name, value) for name, value in _PATIENCE.items()},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_AUTH_TOKEN": None,  # a cluster's, which would go first
        # What Ray does on macOS and Windows: the node's address is 127.0.0.1, and all its servers listen there.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
        FOLDER_VARIABLE: str(folder),
    }
    before = {name: os.environ.get(name) for name in changes}
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    _set(changes)
    ray_constants.ENABLE_RAY_CLUSTER = False  # read from the environment when Ray was imported
    _reread_authentication()
    try:
        yield
    finally:
        _set(before)
        ray_constants.ENABLE_RAY_CLUSTER = clusters
        _reread_authentication()


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _reread_authentication() -> None:
    """Ray keeps mode and token from when it first asked for them."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
