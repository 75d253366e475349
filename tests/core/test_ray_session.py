from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STRANGER = """
import pathlib, ray, sys
ray.init(sys.argv[1], log_to_driver=False)
ray.get(ray.remote(lambda file: pathlib.Path(file).touch()).remote(sys.argv[2]))
"""


def where_am_i() -> tuple[str, int]:
    """Imported by the worker by name, as a job's functions are."""
    import drpose_ray

    return drpose_ray.__version__, os.getpid()


def processes_below(root: int) -> set[int]:
    """``root`` and its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (ValueError, OSError):
            continue
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listeners(processes: set[int]) -> dict[str, str]:
    """``address:port`` of each listening TCP socket of the processes, and the command that opened it."""
    owners = {}
    for process in processes:
        try:
            for descriptor in (Path("/proc") / str(process) / "fd").iterdir():
                owners[str(descriptor.readlink())] = process
        except OSError:
            continue
    found = {}
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and (owner := owners.get(f"socket:[{fields[9]}]")):
                found[fields[1]] = (Path("/proc") / str(owner) / "cmdline").read_text().replace("\0", " ")[:200]
    return found


def is_loopback(address: str) -> bool:
    host = address.partition(":")[0]
    return host in {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def train_and_list(driver: int, file: Path) -> None:
    """A worker of Ray Train: once all have met, the first lists what the whole session listens on."""
    import torch

    torch.distributed.all_reduce(torch.ones(1))
    if torch.distributed.get_rank() == 0:
        file.write_text(json.dumps(listeners(processes_below(driver))))
    torch.distributed.barrier()


@pytest.mark.slow
def test_workers_import_the_package_and_the_test_modules(ray_session: None) -> None:
    import ray

    version, worker = ray.get(ray.remote(where_am_i).remote())
    assert version == "0.1.0"
    assert worker != os.getpid()
    assert ray.cluster_resources()["trial_driver"] == 4


@pytest.mark.slow
def test_a_running_training_listens_on_loopback_only(ray_session: None, tmp_path: Path) -> None:
    import functools

    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from drpose_ray.core.training.on_ray import run_trainer

    run_trainer(
        TorchTrainer(
            functools.partial(train_and_list, os.getpid(), tmp_path / "sockets.json"),
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(name="listing", storage_path=str(tmp_path / "runs")),
        )
    )
    found = json.loads((tmp_path / "sockets.json").read_text())
    assert {command.split()[0].rpartition("/")[2] for command in found.values()} >= {"gcs_server", "raylet"}
    assert [f"{address} {command}" for address, command in found.items() if not is_loopback(address)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "enters"), [("disabled", False), ("another", False), ("token", True)])
def test_a_foreign_process_needs_the_token(ray_session: None, tmp_path: Path, mode: str, enters: bool) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    own = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text()
    strange = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "DRPOSE_"))}
    strange |= {"RAY_AUTH_MODE": "disabled"} if mode == "disabled" else {"RAY_AUTH_MODE": "token"}
    strange |= {"RAY_AUTH_TOKEN": own if mode == "token" else "f" * 64}
    # It looks for the cluster where it is, and does not wait for minutes.
    strange |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_gcs_server_port_wait_time_s": "3"}
    marker = tmp_path / "ran"
    command = [sys.executable, "-c", STRANGER, address, str(marker)]
    ended = subprocess.run(command, env=strange, capture_output=True, text=True, timeout=240, check=False)
    assert (ended.returncode == 0, marker.exists()) == (enters, enters), ended.stderr
    if not enters:
        assert "InvalidAuthToken" in ended.stderr
    assert own not in ended.stderr


@pytest.mark.slow
def test_files_of_the_session_are_its_users_alone(ray_session: None) -> None:
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert (token.stat().st_mode & 0o777, token.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "RAY_AUTH_TOKEN" not in os.environ
